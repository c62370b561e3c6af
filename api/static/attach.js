// Files beside a message: chosen, dropped or pasted, each sent at once and named by the message that follows.
// What is chosen stays in this tab as the words do (drafts.js forgets both): an interrupt or an answer loads the page anew.
const MOST = 10;

export function attaching(form, key) {
  const picker = form.querySelector("[data-attach]"), list = form.querySelector("[data-attached]");

  const count = () => list.querySelectorAll("input").length;

  function remember(isLeft = false) { // `isLeft`: a message that names them was sent by leaving the page
    const files = [...list.children].filter((each) => each.dataset.file).map((each) => ({ name: each.dataset.file, id: each.querySelector("input")?.value }));
    sessionStorage.removeItem(key);
    try {
      if (files.length) sessionStorage.setItem(key, JSON.stringify({ isLeft, files }));
    } catch { /* no room: they last as long as the page */ }
  }

  function begin(name, said) {
    const line = list.appendChild(document.createElement("li"));
    line.dataset.file = name;
    line.appendChild(document.createElement("span")).textContent = said;
    return line;
  }

  async function send(file) {
    const line = begin(file.name, `${file.name} is sent…`);
    remember();
    form.dataset.sending = Number(form.dataset.sending || 0) + 1;
    try {
      const headers = { "x-csrf-token": form.elements.csrf_token.value, "content-type": file.type || "application/octet-stream" };
      const url = `${picker.dataset.attach}?name=${encodeURIComponent(file.name.slice(-200))}`;
      const answer = await fetch(url, { method: "POST", body: file, headers, credentials: "same-origin" });
      const told = await answer.json();
      if (answer.ok) keep(line, told.id);
      else {
        refuse(line, told.errors?.[0] ? `${told.errors[0].message}` : told.detail);
        delete line.dataset.file; // it was said why, and is not said again
      }
      remember();
    } catch {
      refuse(line, "could not be sent: the gateway is away"); // or the page is being left: that is remembered
    }
    form.dataset.sending = Number(form.dataset.sending) - 1;
  }

  function keep(line, id) {
    line.firstChild.textContent = line.dataset.file;
    line.append(Object.assign(document.createElement("input"), { type: "hidden", name: "attachment", value: id }), away(line));
  }

  function refuse(line, why) {
    line.className = "bad";
    line.setAttribute("role", "alert");
    line.firstChild.textContent = `${line.dataset.file} ${why}. Nothing of it was kept.`.replace("..", ".");
    line.append(away(line));
  }

  function away(line) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button ghost small", textContent: "Leave out" });
    button.setAttribute("aria-label", `Leave ${line.dataset.file} out`);
    button.addEventListener("click", () => { line.remove(); remember(); });
    return button;
  }

  function take(files) {
    for (const file of [...files].slice(0, MOST - count())) send(file);
  }

  function restore() {
    const { isLeft, files } = JSON.parse(sessionStorage.getItem(key) ?? '{"files":[]}');
    if (!isLeft || form.elements.content.value) // else the message was taken, and they with it
      for (const { name, id } of files) {
        const line = begin(name, name);
        if (id) keep(line, id);
        else refuse(line, "was not sent to its end: choose it again");
      }
    remember();
  }

  picker.addEventListener("change", () => { take(picker.files); picker.value = ""; });
  const brings = (event) => event.dataTransfer?.types.includes("Files");  // words are dropped as ever
  form.addEventListener("dragover", (event) => { if (brings(event)) event.preventDefault(); });
  form.addEventListener("drop", (event) => { if (brings(event)) { event.preventDefault(); take(event.dataTransfer.files); } });
  form.addEventListener("paste", (event) => take(event.clipboardData.files));
  restore();
  return { clear: () => { list.replaceChildren(); remember(); }, busy: () => Number(form.dataset.sending || 0) > 0, left: () => remember(true) };
}
