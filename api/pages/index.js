// Upload, list, report: everything from a chat is put in as text, never as markup.
const by = (id) => document.getElementById(id);
const token = by("token");
token.value = sessionStorage.getItem("token") ?? "";
token.addEventListener("change", () => { sessionStorage.setItem("token", token.value.trim()); list(); });

async function ask(path, options = {}) {
  const headers = { Authorization: `Bearer ${token.value.trim()}`, ...options.headers };
  const answer = await fetch(path, { ...options, headers });
  const body = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(body?.detail ?? answer.statusText);
  return body;
}

function say(text) { by("status").textContent = text; }

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

async function send() {
  const [file] = by("file").files;
  if (!file) { say("Choose a file first."); return; }
  say(`Uploading ${file.name} …`);
  try {
    const disposition = `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`;
    const taken = await ask("/v1/chats", { method: "POST", body: file, headers: { "Content-Disposition": disposition } });
    say("Stored. Reading it …");
    const chat = await ask(`/v1/chats/${taken.chat_id}?until=agent&wait=30s`);
    say(chat.status === "failed" ? `It could not be read: ${chat.failure.sentence ?? chat.failure.reason}` : `Done: ${chat.status}.`);
    await list();
    if (chat.status === "done") await show(taken.chat_id);
  } catch (wrong) { say(wrong.message); }
}

async function list() {
  if (!token.value) return;
  try {
    const { chats } = await ask("/v1/chats");
    by("chats").replaceChildren(...chats.map((chat) => {
      const row = document.createElement("li");
      const open = element("button", `${chat.uploaded_at.slice(0, 16).replace("T", " ")} · ${chat.format ?? chat.status} · ${chat.visible ?? "?"} messages`);
      open.addEventListener("click", () => show(chat.chat_id));
      row.append(open);
      return row;
    }));
  } catch (wrong) { say(wrong.message); }
}

async function show(id) {
  const report = by("report");
  try {
    const found = await ask(`/v1/chats/${id}/report.json`);
    const parts = [element("h2", "Report"), element("p", `${found.visible} messages in ${found.conversations} conversations.`)];
    for (const insight of found.insights) {
      parts.push(element("h3", insight.title), element("p", insight.statement));
      for (const piece of insight.evidence.slice(0, 3)) parts.push(element("blockquote", `${piece.quote} (${piece.speaker})`));
      parts.push(element("p", insight.action));
    }
    if (found.trust) {
      const points = (value) => (value / 1000).toFixed(1);
      const reasons = found.trust.reasons.map((reason) => `${reason.code} ${points(reason.points)}`).join(", ");
      parts.push(element("h3", "Trust"), element("p", `${points(found.trust.old)} → ${points(found.trust.new)}: ${reasons}`));
    }
    for (const who of found.personas.slice(0, 1)) parts.push(element("h3", who.name), element("p", who.summary));
    report.replaceChildren(...parts);
    report.hidden = false;
    report.scrollIntoView({ behavior: "smooth" });
  } catch (wrong) { say(wrong.message); }
}

by("send").addEventListener("click", send);
list();
