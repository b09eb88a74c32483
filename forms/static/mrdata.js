// What the pages do in the browser: copy, check while typing, refresh. Everything works without it but those three.
"use strict";

// A button with data-copy="ID" copies the text of that element.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent.trim();
  const label = button.dataset.label || (button.dataset.label = button.textContent);
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

// An element with data-refresh="ADDRESS" and data-every="MILLISECONDS" shows what the address answers, as long as the page is seen.
function refresh(element) {
  const state = document.getElementById(element.dataset.state || "");
  let tag = "";
  async function once() {
    try {
      if (document.hidden) return;
      const headers = tag ? { "X-Refresh": "1", "If-None-Match": tag } : { "X-Refresh": "1" };
      const answer = await fetch(element.dataset.refresh, { headers, credentials: "same-origin", cache: "no-store", redirect: "error" });
      if (answer.status === 401) { window.location.reload(); return; }
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") || "";
        const place = document.activeElement && element.contains(document.activeElement) ? document.activeElement.id : "";
        element.innerHTML = await answer.text();
        if (place && document.getElementById(place)) document.getElementById(place).focus();
      } else if (answer.status !== 304) throw new Error(String(answer.status));
      if (state) { state.classList.remove("stale"); state.textContent = state.dataset.live; }
    } catch {
      if (state) { state.classList.add("stale"); state.textContent = state.dataset.stale; }
    } finally {
      setTimeout(once, Number(element.dataset.every));
    }
  }
  setTimeout(once, Number(element.dataset.every));
}
document.querySelectorAll("[data-refresh]").forEach(refresh);

// A form with data-check="ADDRESS": its fields go there while one types, and what it answers is shown in data-into="ID".
document.querySelectorAll("form[data-check]").forEach((form) => {
  const into = document.getElementById(form.dataset.into);
  let timer = 0, count = 0;
  async function ask() {
    const mine = ++count;
    const entries = new URLSearchParams();
    form.dataset.fields.split(" ").forEach((name) => entries.set(name, form.elements[name].value));
    try {
      const answer = await fetch(form.dataset.check + "?" + entries, { headers: { "X-Refresh": "1" }, credentials: "same-origin", redirect: "error" });
      if (answer.status === 401) { window.location.reload(); return; }
      if (mine === count && answer.ok) into.innerHTML = await answer.text();
    } catch {
      if (mine === count) into.textContent = "";
    }
  }
  form.addEventListener("input", (event) => {
    if (!form.dataset.fields.split(" ").includes(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(ask, 200);
  });
});

// A select with data-reload sends its form when it changes, keeping what was entered.
document.querySelectorAll("select[data-reload]").forEach((select) => {
  select.addEventListener("change", () => { select.form.elements.reload.value = "1"; select.form.noValidate = true; select.form.submit(); });
});
