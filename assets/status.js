// Filters the flows as one types, and asks for the page again every few seconds to take over what has changed. The page is whole
// without this; nothing here knows how anything is rendered.
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

  // What a flow is known by, in lower case; the server looks at the same (Row::matches).
  const known = new WeakMap();
  function text(row) {
    let found = known.get(row);
    if (found === undefined) {
      const { status, failing } = row.dataset;
      const words = [row.cells[0].textContent.replace(/\s+/g, ' '), status, row.cells[1].textContent.replaceAll('_', ' ')];
      if (failing) words.push('failing', failing);
      found = words.join(' ').toLowerCase();
      known.set(row, found);
    }
    return found;
  }

  function filter() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      const hidden = !words.every((word) => text(row).includes(word));
      if (row.hidden !== hidden) row.hidden = hidden;
      if (!hidden) shown += 1;
    }
    const total = body.rows.length;
    const sentence = `${shown} of ${total} shown`;
    if (element('shown').value !== sentence) element('shown').value = sentence;
    element('nothing').hidden = shown > 0;
  }

  // The address keeps the filter, so that it can be sent to somebody and survives a reload.
  function remember() {
    const value = input.value.trim();
    history.replaceState(null, '', value ? `?filter=${encodeURIComponent(value)}` : location.pathname);
  }

  function replace(old, fresh) {
    if (!old.isEqualNode(fresh)) old.replaceWith(document.adoptNode(fresh));
  }

  // Rows and cells that say the same stay, so that a selection and the scroll position stay too.
  function takeRows(fresh) {
    const old = new Map();
    for (const row of body.rows) old.set(row.dataset.key, row);
    let place = body.firstElementChild;
    for (const row of [...fresh.rows]) {
      const kept = old.get(row.dataset.key);
      if (!kept) {
        body.insertBefore(document.adoptNode(row), place);
        continue;
      }
      old.delete(row.dataset.key);
      if (kept.dataset.status !== row.dataset.status || kept.dataset.failing !== row.dataset.failing) known.delete(kept);
      for (const name of ['status', 'failing']) {
        if (row.dataset[name] === undefined) delete kept.dataset[name];
        else if (kept.dataset[name] !== row.dataset[name]) kept.dataset[name] = row.dataset[name];
      }
      const cells = [...row.cells];
      cells.forEach((cell, index) => {
        if (kept.cells[index].isEqualNode(cell)) return;
        known.delete(kept);
        kept.cells[index].replaceWith(document.adoptNode(cell));
      });
      if (kept === place) place = place.nextElementSibling;
      else body.insertBefore(kept, place);
    }
    for (const gone of old.values()) gone.remove();
  }

  function take(fresh) {
    const script = (page) => page.querySelector('script[src]')?.getAttribute('src');
    const rows = fresh.querySelector('#flows tbody');
    if (!rows) throw new Error('the answer is another page');
    if (script(fresh) !== script(document)) {
      location.reload(); // Another version of the exporter answers.
      return;
    }
    document.title = fresh.title;
    for (const id of ['summary', 'accounts', 'now']) replace(element(id), fresh.getElementById(id));
    takeRows(rows);
    filter();
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
      asking = fetch(location.pathname, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
      const answer = await asking;
      if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      take(fresh);
      answered = new Date();
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
    remember();
  });
  element('find').addEventListener('submit', (event) => event.preventDefault());
  element('summary').parentElement.addEventListener('click', (event) => {
    const link = event.target.closest('#summary a');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    input.value = new URLSearchParams(link.search).get('filter') ?? '';
    filter();
    remember();
  });
  document.addEventListener('visibilitychange', refresh);

  element('live').append(' Refreshes itself while it is looked at.');
  // A page that came filtered has only some of the flows.
  if (input.value) refresh();
  else {
    filter();
    timer = setTimeout(refresh, PERIOD);
  }
})();
