# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_laaffic_exporter_global_optspecs
    string join \n config_file= config_check config_enable-auto-reload shard= total-shards= web_listen-address= web_systemd-socket web_telemetry-path= web_config_file= web_max-requests= web_allowed-hosts= web_external-url= grafana_url= web_enable-lifecycle log_level= log_format= h/help V/version
end

function __fish_laaffic_exporter_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd
    for word in (commandline -opc) ''
        string match -q -- '--*' $word
        and set word (string replace -a . _ -- $word)
        set -a cmd $word
    end
    set -e cmd[1]
    argparse -s (__fish_laaffic_exporter_global_optspecs) -- $cmd 2>/dev/null
    or return
    if test -n "$argv[1]"
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_laaffic_exporter_using_subcommand
    set -l cmd (__fish_laaffic_exporter_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l config.file -d 'Configuration file' -r -F
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l shard -d 'Which share of the accounts to poll, counted from 0: each account is polled by one of --total-shards instances' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l total-shards -d 'How many instances share the accounts; all are started with the same configuration and the same number' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l web.listen-address -d 'Address of the exporter: host:port, :port or [v6]:port. Repeatable; port 0 picks a free one, and the log says which' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l web.config.file -d 'File with TLS, client certificates, passwords and headers, as of the Prometheus exporter-toolkit' -r -F
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l web.max-requests -d 'Scrapes served at once; the next gets 503. 0 means no limit' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l web.allowed-hosts -d 'Names by which the pages may be asked for, besides this host\'s, localhost and that of --web.external-url; a name, .example.org for all below it too, or * for any. Repeatable' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l web.external-url -d 'URL at which people reach this exporter, where it is not the host\'s name and port' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l grafana.url -d 'URL of Grafana, for links to the dashboards' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l log.level -d 'Least important level to log' -r -f -a "debug\t''
info\t''
warn\t''
error\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l log.format -d 'Format of a log line' -r -f -a "logfmt\t''
json\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l config.check -d 'Check the configuration and every secret file it names, and exit with 0 or 1'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l config.enable-auto-reload -d 'Load the configuration again when the file\'s content changes'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l web.systemd-socket -d 'Take the listening sockets from systemd instead of opening those of --web.listen-address'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -l web.enable-lifecycle -d 'Allow POST and PUT to /-/reload'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -s V -l version -d 'Print version'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -f -a "demo" -d 'Run the exporter together with a simulated vendor: 32 flows in 4 accounts, no configuration needed'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -f -a "simulate" -d 'Run the simulated vendor alone, to point an exporter at'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -f -a "query" -d 'Ask for one flow now and print what came'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -f -a "flows" -d 'Print the list of an account\'s flows, as the vendor has it now'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -f -a "check" -d 'Check the configuration; with --live also one request per flow, and whether it works'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -f -a "healthcheck" -d 'Ask the exporter that listens there whether polling works, and exit with 0 or 1: for containers without curl'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -f -a "rules" -d 'Print the recording and alert rules of this version, for Prometheus'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l seed -d 'Seed of the simulated flows\' lives: the same seed gives the same lives' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l web.listen-address -d 'Address of the exporter: host:port, :port or [v6]:port. Repeatable; port 0 picks a free one, and the log says which' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l web.config.file -d 'File with TLS, client certificates, passwords and headers, as of the Prometheus exporter-toolkit' -r -F
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l web.max-requests -d 'Scrapes served at once; the next gets 503. 0 means no limit' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l web.allowed-hosts -d 'Names by which the pages may be asked for, besides this host\'s, localhost and that of --web.external-url; a name, .example.org for all below it too, or * for any. Repeatable' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l web.external-url -d 'URL at which people reach this exporter, where it is not the host\'s name and port' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l grafana.url -d 'URL of Grafana, for links to the dashboards' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l log.level -d 'Least important level to log' -r -f -a "debug\t''
info\t''
warn\t''
error\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l log.format -d 'Format of a log line' -r -f -a "logfmt\t''
json\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -l web.systemd-socket -d 'Take the listening sockets from systemd instead of opening those of --web.listen-address'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand demo" -s h -l help -d 'Print help'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand simulate" -l address -d 'Address that the simulated vendor listens on' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand simulate" -l seed -d 'Seed of the simulated flows\' lives: the same seed gives the same lives' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand simulate" -l log.level -d 'Least important level to log' -r -f -a "debug\t''
info\t''
warn\t''
error\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand simulate" -l log.format -d 'Format of a log line' -r -f -a "logfmt\t''
json\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand simulate" -s h -l help -d 'Print help'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand query" -l account -d 'Account to ask with; needed only where the configuration leaves a choice' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand query" -l output -d 'A table for people or JSON for jq' -r -f -a "table\t''
json\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand query" -l config.file -d 'Configuration file' -r -F
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand query" -l log.level -d 'Least important level to log' -r -f -a "debug\t''
info\t''
warn\t''
error\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand query" -l log.format -d 'Format of a log line' -r -f -a "logfmt\t''
json\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand query" -l raw -d 'Print the vendor\'s answer as it came, every text replaced by its kind and length: for a bug report'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand query" -s h -l help -d 'Print help'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand flows" -l account -d 'Account to list; all of them where it is not given' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand flows" -l output -d 'A table for people, JSON for jq, or a block for the configuration' -r -f -a "table\t''
json\t''
yaml\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand flows" -l config.file -d 'Configuration file' -r -F
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand flows" -l log.level -d 'Least important level to log' -r -f -a "debug\t''
info\t''
warn\t''
error\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand flows" -l log.format -d 'Format of a log line' -r -f -a "logfmt\t''
json\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand flows" -s h -l help -d 'Print help'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand check" -l config.file -d 'Configuration file' -r -F
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand check" -l web.config.file -d 'File with TLS, client certificates, passwords and headers, as of the Prometheus exporter-toolkit' -r -F
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand check" -l log.level -d 'Least important level to log' -r -f -a "debug\t''
info\t''
warn\t''
error\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand check" -l log.format -d 'Format of a log line' -r -f -a "logfmt\t''
json\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand check" -l live -d 'Also send one signed request per flow'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand check" -s h -l help -d 'Print help'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand healthcheck" -l http.config.file -d 'File with the password or the client certificate that the exporter wants, as of Prometheus\' http_config' -r -F
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand healthcheck" -l timeout -d 'How long to wait for the answer' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand healthcheck" -l web.listen-address -d 'Address of the exporter: host:port, :port or [v6]:port. Repeatable; port 0 picks a free one, and the log says which' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand healthcheck" -l web.config.file -d 'File with TLS, client certificates, passwords and headers, as of the Prometheus exporter-toolkit' -r -F
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand healthcheck" -l log.level -d 'Least important level to log' -r -f -a "debug\t''
info\t''
warn\t''
error\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand healthcheck" -l log.format -d 'Format of a log line' -r -f -a "logfmt\t''
json\t''"
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand healthcheck" -s h -l help -d 'Print help'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand rules" -l job -d 'Name of the scrape job in Prometheus' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand rules" -l severity -d 'Label `severity` of alerts that are to wake somebody' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand rules" -l ticket-severity -d 'Label `severity` of alerts that can wait for the working day' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand rules" -l exception-for -d 'How long a flow may be in an execution exception before somebody is woken' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand rules" -l down-for -d 'How long an exporter may be down before somebody is woken' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand rules" -l not-refreshed-for -d 'How long an account, or a flow, may go without a good poll, where that is longer than three of a flow\'s intervals' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand rules" -l external-url -d 'URL at which people reach the exporter, for links while no exporter has told its own, where it is not http://localhost:10871/' -r
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand rules" -s h -l help -d 'Print help'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate query flows check healthcheck rules help" -f -a "demo" -d 'Run the exporter together with a simulated vendor: 32 flows in 4 accounts, no configuration needed'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate query flows check healthcheck rules help" -f -a "simulate" -d 'Run the simulated vendor alone, to point an exporter at'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate query flows check healthcheck rules help" -f -a "query" -d 'Ask for one flow now and print what came'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate query flows check healthcheck rules help" -f -a "flows" -d 'Print the list of an account\'s flows, as the vendor has it now'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate query flows check healthcheck rules help" -f -a "check" -d 'Check the configuration; with --live also one request per flow, and whether it works'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate query flows check healthcheck rules help" -f -a "healthcheck" -d 'Ask the exporter that listens there whether polling works, and exit with 0 or 1: for containers without curl'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate query flows check healthcheck rules help" -f -a "rules" -d 'Print the recording and alert rules of this version, for Prometheus'
complete -c laaffic-exporter -n "__fish_laaffic_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate query flows check healthcheck rules help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
