// Filters the flows as one types, lets ages grow, and asks every few seconds for what has changed in the page (docs/http.md), to take that
// over. The page is whole without this; nothing here knows how anything is rendered, but for ages (words::age).
'use strict';
(() => {
  const PERIOD = 3000; // Milliseconds between two refreshes; more where one takes long, so that large pages leave the browser idle.
  const IDLE_SHARE = 10;
  const PATIENCE = 15000; // Milliseconds to wait for an answer.

  const element = (id) => document.getElementById(id);
  const input = element('filter');
  const body = document.querySelector('#flows tbody');
  let timer = 0;
  let asking = null;
  let answered = new Date();
  let ahead = Date.parse(element('now').textContent) - Date.now(); // The exporter's clock minus this one, in milliseconds.
  let tag = element('rendering').value; // Of the page that is shown; none while it is not one as the exporter has it.

  const rows = () => [...body.querySelectorAll('tr[data-status]')];
  const cards = () => [...element('accounts').children];

  // What a flow is known by, in lower case; the server looks at the same (FlowView::matches).
  const known = new WeakMap();
  function text(row) {
    let found = known.get(row);
    if (found === undefined) {
      const { status, words } = row.dataset;
      const parts = [row.cells[0].textContent.replace(/\s+/g, ' '), status, status.replaceAll('_', ' '), words];
      found = parts.join(' ').toLowerCase();
      known.set(row, found);
    }
    return found;
  }

  function hide(one, hidden) {
    if (one.hidden !== hidden) one.hidden = hidden;
  }

  function filter() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (said) => words.every((word) => said.includes(word));
    const accounts = new Set();
    let shown = 0;
    let total = 0;
    for (const row of rows()) {
      const hidden = !matches(text(row));
      hide(row, hidden);
      total += 1;
      if (hidden) continue;
      shown += 1;
      accounts.add(row.dataset.account);
    }
    for (const group of body.querySelectorAll(':scope > tr.alike')) hide(group, !group.querySelector('tr[data-status]:not([hidden])'));
    for (const card of cards()) hide(card, !accounts.has(card.dataset.key) && !matches(card.dataset.key.toLowerCase()));
    for (const pill of element('summary').querySelectorAll('a')) {
      const wanted = new URLSearchParams(pill.search).get('filter') ?? '';
      if (wanted === words.join(' ')) pill.setAttribute('aria-current', 'true');
      else pill.removeAttribute('aria-current');
    }
    const sentence = `${shown} of ${total} shown`;
    if (element('shown').value !== sentence) element('shown').value = sentence;
    hide(element('nothing'), shown > 0);
  }

  // What was asked for is not left folded.
  function unfold() {
    for (const group of body.querySelectorAll(':scope > tr.alike details')) group.open = input.value.trim() !== '';
  }

  // The address keeps the filter, so that it can be sent to somebody and survives a reload.
  function remember() {
    const value = input.value.trim();
    history.replaceState(null, '', value ? `?filter=${encodeURIComponent(value)}` : location.pathname);
  }

  // As words::duration says whole seconds.
  function duration(seconds) {
    const units = (...pairs) => pairs.filter(([number]) => number > 0).map(([number, unit]) => `${number} ${unit}`).join(' ');
    const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 600) return units([minutes, 'min'], [seconds % 60, 's']);
    if (seconds < 3600) return `${minutes} min`;
    if (seconds < 86400) return units([hours, 'h'], [minutes % 60, 'min']);
    return units([days, 'd'], [hours % 24, 'h']);
  }

  function grow() {
    const now = (Date.now() + ahead) / 1000;
    for (const time of document.querySelectorAll('time[data-since]')) {
      const words = duration(Math.max(0, Math.floor(now - Number(time.dataset.since))));
      if (time.textContent !== words) time.textContent = words;
    }
  }

  // What an element says apart from ages, as it came.
  const said = (one) => one.outerHTML.replace(/(<time[^>]*>)[^<]*/g, '$1');
  const came = new WeakMap();

  // The element to show: the one that is there, where it says the same, so that a selection stays; else the new one. What was open stays open.
  function newest(one, kept) {
    const words = said(one);
    if (kept && came.get(kept) === words) return kept;
    const taken = document.adoptNode(one);
    came.set(taken, words);
    if (kept?.open) taken.open = true;
    return taken;
  }

  // What a fresh list stands for: an element with a count is a run of those that are there, `known` in the order of the page.
  function spelt(fresh, known, one) {
    return [...fresh.children].flatMap((each) => {
      const { from, count } = each.dataset;
      return count === undefined ? [one(each)] : known.slice(Number(from), Number(from) + Number(count));
    });
  }

  // Puts these elements into the list, in this order, and takes all others out. What has moved least is not touched.
  function arrange(list, wanted) {
    const before = new Map([...list.children].map((one, place) => [one, place]));
    const after = new Map(wanted.map((one, place) => [one, place]));
    for (const one of before.keys()) if (!after.has(one)) one.remove();
    const moved = (one) => (before.has(one) ? Math.abs(before.get(one) - after.get(one)) : Infinity);
    let next = list.firstElementChild;
    for (const one of wanted) {
      while (next && next !== one && moved(next) > moved(one)) {
        const away = next;
        next = next.nextElementSibling;
        away.remove();
      }
      if (next === one) next = next.nextElementSibling;
      else list.insertBefore(one, next);
    }
  }

  const keyed = (list) => new Map(list.map((one) => [one.dataset.key, one]));

  function takeCards(fresh) {
    const known = cards();
    const old = keyed(known);
    arrange(element('accounts'), spelt(fresh, known, (card) => newest(card, old.get(card.dataset.key))));
  }

  function takeRows(fresh) {
    const known = rows();
    const old = keyed(known);
    const groups = keyed([...body.querySelectorAll(':scope > tr.alike')]);
    const row = (one) => newest(one, old.get(one.dataset.key));
    const line = (one) => {
      if (!one.matches('.alike')) return row(one);
      const members = spelt(one.querySelector('tbody'), known, row);
      const kept = groups.get(one.dataset.key);
      const group = kept ?? document.adoptNode(one);
      arrange(group.querySelector('tbody'), members);
      const [had, has] = [group, one].map((each) => each.querySelector('summary'));
      if (said(had) !== said(has)) had.replaceWith(has);
      if (!kept && input.value.trim()) group.querySelector('details').open = true;
      return group;
    };
    arrange(body, spelt(fresh, known, line));
  }

  function takePage(fresh) {
    const script = (page) => page.querySelector('script[src]')?.getAttribute('src');
    const list = fresh.querySelector('#flows tbody');
    const now = fresh.getElementById('rendering');
    if (!list || !now) throw new Error('the answer is another page');
    if (script(fresh) !== script(document)) {
      location.reload(); // Another version of the exporter answers.
      return;
    }
    tag = '';
    document.title = fresh.title;
    const summary = fresh.getElementById('summary');
    if (said(summary) !== came.get(element('summary'))) {
      const taken = document.adoptNode(summary);
      came.set(taken, said(taken));
      element('summary').replaceWith(taken);
    }
    takeCards(fresh.getElementById('accounts'));
    takeRows(list);
    filter();
    tag = now.value;
  }

  function lost(error) {
    const seconds = Math.round((Date.now() - answered.getTime()) / 1000);
    const why = error.name === 'TimeoutError' ? 'no answer in time' : error.message;
    element('lost').textContent =
      `The exporter does not answer (${why}). What you see is from ${answered.toLocaleTimeString()}, ${seconds} s ago.`;
    element('lost').hidden = false;
  }

  async function refresh() {
    clearTimeout(timer);
    if (asking || document.hidden) return;
    const started = performance.now();
    try {
      const headers = tag ? { 'If-None-Match': `W/"${tag}"` } : {};
      asking = fetch(location.pathname + (tag && `?since=${tag}`), { cache: 'no-store', headers, signal: AbortSignal.timeout(PATIENCE) });
      const answer = await asking;
      if (!answer.ok && answer.status !== 304) throw new Error(`HTTP status ${answer.status}`);
      if (answer.status !== 304) takePage(new DOMParser().parseFromString(await answer.text(), 'text/html'));
      answered = new Date();
      const date = answer.headers.get('Date');
      if (date) {
        ahead = Date.parse(date) - Date.now();
        element('now').textContent = date;
      }
      grow();
      element('lost').hidden = true;
    } catch (error) {
      lost(error);
    }
    asking = null;
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max(PERIOD, (performance.now() - started) * IDLE_SHARE));
  }

  input.addEventListener('input', () => {
    filter();
    unfold();
    remember();
  });
  element('find').addEventListener('submit', (event) => event.preventDefault());
  document.querySelector('main').addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="?"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    input.value = new URLSearchParams(link.search).get('filter') ?? '';
    filter();
    unfold();
    remember();
  });
  document.addEventListener('visibilitychange', refresh);

  for (const one of [...rows(), ...cards(), element('summary')]) came.set(one, said(one));
  element('live').append(' Refreshes itself while it is looked at.');
  setInterval(grow, 1000);
  // A page that came filtered has only some of the flows.
  if (input.value) {
    unfold();
    refresh();
  } else {
    filter();
    timer = setTimeout(refresh, PERIOD);
  }
})();
