// Files of a form: sent in chunks, three at once, gone on with after a broken connection; the field names the upload.
import { changed } from "./swap.js";

const AT_ONCE = 3, PAUSES_MS = [300, 1000, 3000, 8000, 15000], FOREVER = new Set([408, 429, 500, 502, 503, 504]);
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** Bytes as the pages say them. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const power = Math.min(3, Math.floor(Math.log10(count) / 3));
  return `${(count / 1000 ** power).toFixed(1)} ${["kB", "MB", "GB"][power - 1]}`;
}

class Box {
  constructor(root) {
    this.root = root;
    this.field = root.querySelector("[name]");
    this.picker = root.querySelector("input[type=file]");
    this.list = root.querySelector("[data-sending]");
    this.drop = root.querySelector("[data-drop]");
    this.turn = 0;
    this.type = this.field.type;
    this.before = root.dataset.before ?? "";
    this.drop.hidden = false;
    const label = root.closest(".field").querySelector("label");
    if (label && !this.picker.hasAttribute("aria-label")) label.htmlFor = this.picker.id;
    this.picker.addEventListener("change", () => this.picker.files.length && this.send([...this.picker.files]));
    this.drop.addEventListener("dragover", (event) => event.preventDefault());
    this.drop.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files.length) this.send([...event.dataTransfer.files]); });
    if (ID.test(this.field.value.trim())) this.recall();
  }

  async call(method, path, body) {
    const headers = { "x-csrf-token": this.picker.form.elements.csrf_token.value };
    if (typeof body === "string") headers["content-type"] = "application/json";
    for (const pause of [...PAUSES_MS, null]) {
      const answer = await fetch(this.root.dataset.upload + path, { method, body, headers, credentials: "same-origin" }).catch(() => null);
      if (answer && !FOREVER.has(answer.status)) {
        const told = answer.status === 204 ? null : await answer.json();
        if (answer.ok) return told;
        throw new Error(told.errors?.length ? told.errors.map((each) => `${each.field} ${each.message}`).join("; ") : told.detail);
      }
      if (pause === null) throw new Error("The gateway is away. What was sent is kept.");
      await wait(pause);
    }
    return null;
  }

  /** What an upload that was begun before holds, after the page was drawn anew. */
  async recall() {
    this.named(this.field.value.trim());
    try {
      const upload = await this.call("GET", `/${this.field.value.trim()}`);
      this.draw(upload.files);
      if (upload.complete) this.whole(upload);
      else this.say(`Choose ${upload.files.length > 1 ? "them" : "it"} again to go on: what was sent is kept.`, true);
    } catch {
      this.clear();
    }
  }

  async send(files) {
    const turn = ++this.turn, box = this.root.closest(".field");
    for (const each of box.querySelectorAll(":scope > .wrong")) each.remove(); // that was said of what was sent before
    box.classList.remove("has-wrong");
    const unfit = this.unfit(files);
    if (unfit) return this.refuse(unfit);
    const wanted = files.map((each) => ({ path: each.webkitRelativePath || each.name, size_bytes: each.size }));
    this.paused = null;
    this.say("On its way.", true);
    try {
      const upload = (await this.known(wanted)) || (await this.call("POST", "", JSON.stringify({ files: wanted })));
      if (turn !== this.turn) return;
      this.named(upload.upload_id);
      this.draw(upload.files);
      const rest = upload.files.flatMap((each, at) => this.missing(each).map((n) => [each, files[at], n]));
      await Promise.all(Array.from({ length: AT_ONCE }, () => this.work(turn, upload.upload_id, rest)));
      if (turn === this.turn) this.whole(await this.call("POST", `/${upload.upload_id}/complete`));
    } catch (error) {
      if (turn === this.turn) this.refuse(error.message, files);
    }
  }

  /** Why these are not even sent, if they are not. */
  unfit(files) {
    const most = Number(this.root.dataset.most ?? Infinity), large = files.find((each) => each.size > most);
    if (files.length > 1 && !this.picker.multiple && !this.picker.webkitdirectory) return "Only one file is taken here.";
    return large ? `${large.name} is larger than ${most / 1048576} MiB. Nothing of it was sent.` : "";
  }

  /** The upload the field names already, if it is of the same files: it goes on where it broke off. */
  async known(wanted) {
    if (!ID.test(this.field.value.trim())) return null;
    const upload = await this.call("GET", `/${this.field.value.trim()}`).catch(() => null);
    const same = upload && upload.files.length === wanted.length && upload.files.every((each, at) => each.path === wanted[at].path && each.size_bytes === wanted[at].size_bytes);
    return same && !upload.complete ? upload : null;
  }

  missing(file) {
    const have = new Set(file.received);
    return Array.from({ length: file.chunks }, (_, n) => n).filter((n) => !have.has(n));
  }

  async work(turn, id, rest) {
    while (rest.length && turn === this.turn) {
      await this.paused?.promise;
      const next = rest.shift();
      if (!next) return;
      const [file, source, n] = next, from = n * file.chunk_bytes;
      await this.call("PUT", `/${id}/${file.file_id}/${n}`, source.slice(from, from + file.chunk_bytes));
      if (turn === this.turn) this.advance(file, Math.min(file.chunk_bytes, file.size_bytes - from));
    }
  }

  advance(file, more) {
    const bar = this.rows.get(file.file_id);
    bar.value += more;
    bar.nextSibling.textContent = `${bytes(bar.value)} of ${bytes(file.size_bytes)}`;
  }

  draw(files) {
    this.rows = new Map();
    this.list.replaceChildren(...files.map((file) => {
      const row = document.createElement("li"), name = document.createElement("span"), bar = document.createElement("progress"), size = document.createElement("span");
      name.textContent = file.path;
      const sent = file.received.reduce((sum, n) => sum + Math.min(file.chunk_bytes, file.size_bytes - n * file.chunk_bytes), 0);
      Object.assign(bar, { max: file.size_bytes || 1, value: sent });
      bar.setAttribute("aria-label", file.path);
      size.className = "num dim";
      size.textContent = `${bytes(sent)} of ${bytes(file.size_bytes)}`;
      row.append(name, bar, size);
      this.rows.set(file.file_id, bar);
      return row;
    }));
    this.buttons();
  }

  whole(upload) {
    for (const file of upload.files) {
      const bar = this.rows.get(file.file_id), hash = document.createElement("code");
      hash.textContent = file.sha256.slice(0, 8);
      hash.title = `SHA-256 ${file.sha256}`;
      bar.nextSibling.textContent = bytes(file.size_bytes);
      bar.replaceWith(hash);
    }
    this.say("");
    this.buttons(true);
    this.field.dispatchEvent(new Event("input", { bubbles: true })); // the draft keeps it
  }

  refuse(why, files) {
    const row = document.createElement("li"), words = document.createElement("span");
    row.className = "bad";
    row.setAttribute("role", "alert");
    words.textContent = why;
    row.append(words);
    if (files) row.append(this.button("Try again", () => this.send(files)));
    this.list.querySelector(".bad")?.remove();
    this.list.append(row);
    this.buttons(true);
    this.say("The files are not complete.", true);
  }

  buttons(whole = false) {
    const row = document.createElement("li");
    this.acts?.remove();
    this.acts = row;
    if (!whole) {
      const pause = this.button("Pause", () => {
        if (this.paused) { this.paused.go(); this.paused = null; pause.textContent = "Pause"; return; }
        this.paused = {};
        this.paused.promise = new Promise((go) => { this.paused.go = go; });
        pause.textContent = "Go on";
      });
      row.append(pause);
    }
    row.append(this.button("Remove", () => this.clear()));
    this.list.append(row);
  }

  button(text, act) {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", className: "button ghost small", textContent: text });
    made.addEventListener("click", act);
    return made;
  }

  named(id) {
    if (!ID.test(this.field.value.trim())) this.before = this.field.value;
    this.field.value = id;
    if (this.field.tagName === "INPUT") this.field.type = "hidden";
    this.field.hidden = true;
    this.root.querySelector(".hint").hidden = true;
  }

  clear() {
    this.turn += 1;
    this.paused?.go();
    const id = this.field.value.trim();
    if (ID.test(id)) this.call("DELETE", `/${id}`).catch(() => null);
    this.picker.value = "";
    if (this.field.tagName === "INPUT") this.field.type = this.type;
    if (ID.test(id)) this.field.value = this.before;
    this.field.hidden = this.root.querySelector(".hint").hidden = false;
    this.list.replaceChildren();
    this.say("");
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** What keeps the form from being sent, if anything does. */
  say(why, blocks = false) {
    this.root.querySelector("[role=status]").textContent = why;
    this.picker.setCustomValidity(blocks ? `${why} The form can be sent once the files are complete.` : "");
  }
}

const known = new WeakSet();

function look() {
  for (const root of document.querySelectorAll("[data-upload]")) {
    if (known.has(root)) continue;
    known.add(root);
    new Box(root);
  }
}

look();
changed(look);
