// A long timeline: scrolling over an edge of what is drawn brings more of it, and the row one was at stays where it was.
const EDGE = 48; // pixels
let busy = false, place = 0;

function more(scroll, id) {
  const link = document.querySelector(`#${id}:not([hidden]) a`);
  if (!link || busy) return;
  const frame = scroll.getBoundingClientRect();
  const row = [...scroll.querySelectorAll(".wf-row:not([aria-level='1'])")].find((each) => each.getBoundingClientRect().bottom > frame.top);
  const top = row?.getBoundingClientRect().top;
  busy = true;
  document.addEventListener("windlass:visit", () => {
    busy = false;
    const here = row && document.getElementById(row.id);
    if (here) scroll.scrollTop += here.getBoundingClientRect().top - top;
    place = scroll.scrollTop;
  }, { once: true });
  link.click();
}

function onScroll(event) {
  const scroll = event.target;
  if (!scroll.matches?.(".wf-scroll")) return;
  const up = scroll.scrollTop < place, down = scroll.scrollTop > place;
  place = scroll.scrollTop;
  if (up && place < EDGE) more(scroll, "wf-more");
  else if (down && scroll.scrollHeight - scroll.clientHeight - place < EDGE) more(scroll, "wf-later");
}

function onWheel(event) {
  const scroll = event.target.closest?.(".wf-scroll");
  if (scroll && event.deltaY < 0 && scroll.scrollTop === 0) more(scroll, "wf-more");
}

export function start() {
  document.addEventListener("scroll", onScroll, true);
  document.addEventListener("wheel", onWheel, { passive: true });
}
