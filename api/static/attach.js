// Files beside a message: chosen, dropped or pasted, each sent at once and named by the message that follows.
const MOST = 10;

export function attaching(form) {
  const picker = form.querySelector("[data-attach]"), list = form.querySelector("[data-attached]");

  const count = () => list.querySelectorAll("input").length;

  async function send(file) {
    const line = list.appendChild(document.createElement("li")), words = line.appendChild(document.createElement("span"));
    words.textContent = `${file.name} is sent…`;
    form.dataset.sending = Number(form.dataset.sending || 0) + 1;
    try {
      const headers = { "x-csrf-token": form.elements.csrf_token.value, "content-type": file.type || "application/octet-stream" };
      const url = `${picker.dataset.attach}?name=${encodeURIComponent(file.name.slice(-200))}`;
      const answer = await fetch(url, { method: "POST", body: file, headers, credentials: "same-origin" });
      const told = await answer.json();
      if (answer.ok) keep(line, words, file, told);
      else refuse(line, words, file, told.errors?.[0] ? `${told.errors[0].message}` : told.detail);
    } catch {
      refuse(line, words, file, "could not be sent: the gateway is away");
    }
    form.dataset.sending = Number(form.dataset.sending) - 1;
  }

  function keep(line, words, file, told) {
    words.textContent = file.name;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "attachment", value: told.id });
    line.append(field, away(line, file.name));
  }

  function refuse(line, words, file, why) {
    line.className = "bad";
    line.setAttribute("role", "alert");
    words.textContent = `${file.name} ${why}. Nothing of it was kept.`.replace("..", ".");
    line.append(away(line, file.name));
  }

  function away(line, name) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button ghost small", textContent: "Leave out" });
    button.setAttribute("aria-label", `Leave ${name} out`);
    button.addEventListener("click", () => line.remove());
    return button;
  }

  function take(files) {
    for (const file of [...files].slice(0, MOST - count())) send(file);
  }

  picker.addEventListener("change", () => { take(picker.files); picker.value = ""; });
  const brings = (event) => event.dataTransfer?.types.includes("Files");  // words are dropped as ever
  form.addEventListener("dragover", (event) => { if (brings(event)) event.preventDefault(); });
  form.addEventListener("drop", (event) => { if (brings(event)) { event.preventDefault(); take(event.dataTransfer.files); } });
  form.addEventListener("paste", (event) => take(event.clipboardData.files));
  return { clear: () => list.replaceChildren(), busy: () => Number(form.dataset.sending || 0) > 0 };
}
