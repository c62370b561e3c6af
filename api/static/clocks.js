// Everything that moves by itself: elapsed clocks, and bars that still grow. One timer per page.
const two = (number) => String(number).padStart(2, "0");

/** A duration as the server writes it. */
export function duration(seconds) {
  if (seconds < 0.05) return "<0.1s";
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds), days = Math.floor(whole / 86400), hours = Math.floor(whole / 3600);
  if (!hours) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return days ? `${days}d ${hours % 24}h` : `${hours}h ${two(Math.floor((whole % 3600) / 60))}m`;
}

let skew = 0, told = "";

function serverNow() {
  const said = document.body.dataset.now;
  if (said && said !== told) {
    told = said;
    skew = Number(said) - Date.now();
  }
  return Date.now() + skew;
}

function place(now) {
  const fall = document.getElementById("wf");
  if (!fall?.dataset.x) return;
  const { began, at, x, speed } = fall.dataset;
  const end = Math.min(99.6, Number(x) + ((now - Number(began)) / 1000 - Number(at)) * Number(speed));
  const line = document.getElementById("wf-now");
  line?.setAttribute("x1", `${end}%`);
  line?.setAttribute("x2", `${end}%`);
  document.getElementById("wf-flag")?.setAttribute("x", `${end}%`);
  for (const mark of fall.querySelectorAll("[data-mark]")) {
    mark.setAttribute("visibility", Math.abs(Number(mark.dataset.mark) - end) < 6.5 ? "hidden" : "visible");
  }
  for (const bar of fall.querySelectorAll("[data-grows]")) {
    bar.setAttribute("width", `${Math.max(0.35, end - parseFloat(bar.getAttribute("x")))}%`);
  }
}

function tick() {
  if (document.hidden) return;
  const now = serverNow();
  for (const each of document.querySelectorAll("[data-since]")) {
    const text = duration(Math.max(0, (now - Number(each.dataset.since)) / 1000));
    if (each.textContent !== text) each.textContent = text;
  }
  for (const each of document.querySelectorAll("[data-cools]")) cool(each, Math.ceil((Number(each.dataset.cools) - now) / 1000));
  place(now);
}

/** A ring as long as the seconds that are left of it, and their number. */
function cool(button, left) {
  const ring = button.querySelector("circle"), said = left > 0 ? `${left}s` : "";
  const drawn = `${Math.max(0, left)} ${ring.getAttribute("pathLength")}`;
  if (ring.getAttribute("stroke-dasharray") !== drawn) ring.setAttribute("stroke-dasharray", drawn);
  if (button.lastChild.textContent !== said) button.lastChild.textContent = said;
}

/** Tick once a second, on the second. */
export function start() {
  tick();
  setInterval(tick, 1000);
}
