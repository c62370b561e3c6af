// The live view of a desktop: an island around noVNC. Who looks cannot act: the server holds to that, this only shows it.
import { changed } from "./swap.js";

const AGAIN_MS = [500, 1000, 2000, 5000, 10_000];
const HIDDEN_MS = 60_000;
let view, shown = "", tries = 0, timer, asleep, Screen;

const place = () => document.getElementById("screen");

function say(text) {
  const line = document.getElementById("screen-said");
  if (line.textContent !== text) line.textContent = text;
}

function close() {
  clearTimeout(timer);
  const old = view;
  view = undefined;
  if (!old?.rfb) return;
  const end = () => old.rfb?.disconnect();
  if (old.socket.readyState === WebSocket.CONNECTING) old.socket.addEventListener("open", end);
  else end();
  place()?.querySelector(".glass").replaceChildren();
}

function again() {
  close();
  say("Reconnecting");
  timer = setTimeout(open, AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)] * (0.75 + Math.random() / 2));
}

/** Leave the screen with the keyboard: it takes every other key. */
function leave(event) {
  if (event.key !== "Escape" || !event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  document.querySelector("#desktop h1")?.focus();
}

async function open() {
  const here = place(), mine = { rfb: undefined, socket: undefined };
  close();
  view = mine;
  say("Connecting");
  const { mode } = here.dataset;
  try {
    const [answer, library] = await Promise.all([
      fetch(here.dataset.view, {
        method: "POST",
        credentials: "same-origin",
        headers: { accept: "application/json", "content-type": "application/json", "x-csrf-token": here.dataset.csrf },
        body: JSON.stringify({ mode }),
      }),
      import(here.dataset.script),
    ]);
    if (!answer.ok) throw new Error("refused");
    Screen = library.default;
    const ticket = await answer.json();
    if (view !== mine) return;
    const address = new URL(ticket.url, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    mine.socket = new WebSocket(address, ticket.protocols);
  } catch {
    if (view === mine) again();
    return;
  }
  const glass = here.querySelector(".glass");
  const rfb = (mine.rfb = new Screen(glass, mine.socket, { shared: true }));
  rfb.scaleViewport = true;
  rfb.viewOnly = mode !== "control";
  rfb.background = "transparent";
  rfb.addEventListener("connect", () => {
    tries = 0;
    say("");
    if (mode === "control") rfb.focus();
  });
  rfb.addEventListener("disconnect", () => {
    mine.rfb = undefined;
    if (view === mine) again();
  });
}

/** Follow what the page says: whether there is a screen, and whether it is in our hand. */
function follow() {
  const here = place();
  if (!here) return close();
  const { mode, on, said } = here.dataset;
  const wanted = on === "yes" ? mode : "";
  if (wanted === shown) return wanted || say(said);
  shown = wanted;
  tries = 0;
  if (wanted) open();
  else {
    close();
    say(said);
  }
}

place().addEventListener("keydown", leave, true);
document.addEventListener("visibilitychange", () => {
  clearTimeout(asleep);
  if (document.hidden && shown === "view") asleep = setTimeout(close, HIDDEN_MS);
  else if (!document.hidden && shown && !view) open();
});
changed(follow);
follow();
