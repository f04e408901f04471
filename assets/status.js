// Filters the flows as one types, lets ages grow, and asks for the page again every few seconds to take over what has changed. The page
// is whole without this; nothing here knows how anything is rendered, but for ages (words::age).
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
  let tag = ''; // Of the page that is shown.

  const rows = () => body.querySelectorAll('tr[data-status]');

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
    for (const card of element('accounts').children) hide(card, !accounts.has(card.dataset.key) && !matches(card.dataset.key.toLowerCase()));
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
  const note = (list) => {
    for (const one of list.children) came.set(one, said(one));
  };

  // Replaces what says something else; what says the same stays, so that a selection and the scroll position stay too. What was open
  // stays open.
  function take(list, fresh) {
    const old = new Map();
    for (const one of list.children) old.set(one.dataset.key, one);
    let place = list.firstElementChild;
    for (const one of [...fresh.children]) {
      const words = said(one);
      let kept = old.get(one.dataset.key);
      old.delete(one.dataset.key);
      if (!kept || came.get(kept) !== words) {
        const taken = document.adoptNode(one);
        came.set(taken, words);
        if (!kept && input.value.trim() && taken.matches('.alike')) taken.querySelector('details').open = true;
        if (kept) {
          const folds = (row) => (row.matches('details') ? row : row.querySelector('details'));
          if (folds(kept)?.open && folds(taken)) folds(taken).open = true;
          if (kept === place) place = place.nextElementSibling;
          kept.remove();
        }
        kept = taken;
      }
      if (kept === place) place = place.nextElementSibling;
      else list.insertBefore(kept, place);
    }
    for (const gone of old.values()) gone.remove();
  }

  function takePage(fresh) {
    const script = (page) => page.querySelector('script[src]')?.getAttribute('src');
    const list = fresh.querySelector('#flows tbody');
    if (!list) throw new Error('the answer is another page');
    if (script(fresh) !== script(document)) {
      location.reload(); // Another version of the exporter answers.
      return;
    }
    document.title = fresh.title;
    const summary = fresh.getElementById('summary');
    if (said(summary) !== came.get(element('summary'))) {
      const taken = document.adoptNode(summary);
      came.set(taken, said(taken));
      element('summary').replaceWith(taken);
    }
    take(element('accounts'), fresh.getElementById('accounts'));
    take(body, list);
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
      const headers = tag ? { 'If-None-Match': tag } : {};
      asking = fetch(location.pathname, { cache: 'no-store', headers, signal: AbortSignal.timeout(PATIENCE) });
      const answer = await asking;
      if (!answer.ok && answer.status !== 304) throw new Error(`HTTP status ${answer.status}`);
      if (answer.status !== 304) {
        takePage(new DOMParser().parseFromString(await answer.text(), 'text/html'));
        tag = answer.headers.get('ETag') ?? '';
      }
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

  note(body);
  note(element('accounts'));
  came.set(element('summary'), said(element('summary')));
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
