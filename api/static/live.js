// One stream per tab: fragments of HTML, applied in one pass every 100 ms.
import { hold, write } from "./log.js";
import { apply, tell } from "./swap.js";

const PASS_MS = 100, HIDDEN_MS = 60_000, SPOKEN_MS = 5_000;
let source, cursor = "", opened = "", retry = 0, timer, queue = [], pass = 0, rest = 0, asleep, seenAt = Date.now(), said = [], spokenAt = 0;

function show(state, text) {
  const place = document.getElementById("stream");
  if (!place) return;
  const use = place.querySelector("use");
  if (use) {
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${state}`));
    use.parentNode.setAttribute("class", `state ${state}`);
  }
  const word = place.querySelector("span");
  if (word && word.textContent !== text) word.textContent = text;
}

function flush() {
  const began = performance.now();
  pass = 0;
  const root = document.createElement("template");
  root.innerHTML = queue.join("");
  queue = [];
  const lines = [];
  for (const each of root.content.children) {
    if (each.dataset.how === "lines") lines.push(...each.content.children);
    else if (each.dataset.how === "write") {
      if (lines.length) hold(lines.splice(0));
      write(each.dataset.target, each.content.textContent);
    } else if (each.dataset.how === "say") said.push(each.content.textContent);
    else apply(each);
  }
  if (lines.length) hold(lines);
  tell();
  speak();
  rest = Math.min(2000, (performance.now() - began) * 10); // a slow machine draws less often
}

function speak() {
  if (!said.length) return;
  const wait = spokenAt + SPOKEN_MS - Date.now();
  if (wait > 0) return void setTimeout(speak, wait);
  spokenAt = Date.now();
  const place = document.getElementById("said");
  if (place) place.textContent = said.length > 2 ? `${said.length} changes. ${said.at(-1)}` : said.join(". ");
  said = [];
}

function hear(event) {
  if (event.lastEventId) cursor = event.lastEventId;
  seenAt = Date.now();
  queue.push(event.data);
  pass ||= setTimeout(() => requestAnimationFrame(flush), document.hidden ? 1000 : Math.max(PASS_MS, rest));
  if (document.hidden && queue.length > 200) flush();
}

function close() {
  clearTimeout(timer);
  source?.close();
  source = undefined;
}

function again(wait) {
  close();
  timer = setTimeout(connect, wait);
}

/** Open the stream that the page names, from where this tab has got to. */
function connect() {
  close();
  const url = document.body.dataset.stream;
  if (!url) return;
  if (opened !== url) cursor = "";
  opened = url;
  source = new EventSource(cursor ? `${url}&cursor=${encodeURIComponent(cursor)}` : url);
  source.onopen = () => {
    retry = 0;
    show("running", "Live");
  };
  source.onerror = () => {
    const age = Math.round((Date.now() - seenAt) / 1000);
    const seq = document.getElementById("seq")?.textContent.replace("seq ", "");
    show("starting", seq ? `Reconnecting, nothing is lost. Last event ${seq}, ${age}s ago` : "Reconnecting, nothing is lost");
    if (source?.readyState === EventSource.CLOSED) again(Math.min(15_000, 500 * 2 ** retry++) * (0.5 + Math.random()));
  };
  source.addEventListener("html", hear);
  source.addEventListener("resync", () => again(200));
  source.addEventListener("gone", () => location.reload());
  source.addEventListener("over", () => {
    close();
    flush();
    document.getElementById("log")?.removeAttribute("data-live");
    show("finished", "Up to date");
  });
}

/** Follow what the page follows; a hidden tab lets go after a minute and catches up when it is seen again. */
export function start() {
  connect();
  document.addEventListener("windlass:visit", () => opened !== document.body.dataset.stream && connect());
  document.addEventListener("visibilitychange", () => {
    clearTimeout(asleep);
    if (document.hidden) asleep = setTimeout(close, HIDDEN_MS);
    else if (!source && opened && !document.querySelector("#stream .state.finished")) connect();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && connect());
}
