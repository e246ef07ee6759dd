// What plain HTML cannot do: nothing on these pages needs it. Events are bound here, since the pages allow no script inline.
"use strict";

// "/" leads to the search box, wherever nothing is being typed.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const box = document.querySelector("input[type=search]");
  if (box) {
    event.preventDefault();
    box.focus();
  }
});

// The departments of a shelf are asked for only where it is for named ones.
const audience = document.querySelector("select[name=audience]");
const named = document.querySelector("[data-for=named]");
if (audience && named) {
  const show = () => { named.hidden = audience.value !== "named"; };
  audience.addEventListener("change", show);
  show();
}

// A file that is too large is refused before it is sent; what was typed beside it stays.
document.addEventListener("change", (event) => {
  const input = event.target;
  if (!input.dataset || !input.dataset.largest) return;
  const over = [...input.files].some((file) => file.size > Number(input.dataset.largest));
  input.setCustomValidity(over ? input.dataset.tooLarge : "");
  if (over) {
    input.reportValidity();
    event.stopPropagation();
  }
}, true);

// A word that is being put together (pinyin, before its characters are chosen) is not searched for yet.
document.addEventListener("input", (event) => { if (event.isComposing) event.stopPropagation(); }, true);
document.addEventListener("compositionend", (event) => event.target.dispatchEvent(new Event("input", { bubbles: true })), true);

// What a page brings again, by itself or while somebody types, is not put under a mouse that is pressed: what is replaced
// between its going down and its coming up is not clicked. Nor does it replace what somebody has selected, close what was
// opened, or scroll back what was scrolled; these are known by their ids, as is what has the focus (htmx sees to that).
let pressed = null;
const waiting = new Set();
const release = () => setTimeout(() => {
  pressed = null;
  for (const asker of waiting) htmx.trigger(asker, "released");
  waiting.clear();
});
document.addEventListener("pointerdown", (event) => { pressed = event.button === 0 ? event.target : null; }, true);
document.addEventListener("pointerup", release, true);
document.addEventListener("pointercancel", release, true);

let opened = [];
let scrolled = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig: { elt: asker, verb } } = event.detail;
  if (verb !== "get") return;
  const selected = getSelection();
  const read = asker.matches("[hx-trigger^=every]") && !selected.isCollapsed && target.contains(selected.anchorNode);
  if (read || target.contains(pressed)) {
    event.detail.shouldSwap = false;
    waiting.add(asker);
    return;
  }
  opened = [...target.querySelectorAll("details[open][id]")].map((one) => one.id);
  scrolled = [...target.querySelectorAll(".scroll[id]")].map((one) => [one.id, one.scrollLeft]);
});
document.addEventListener("htmx:load", () => {
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  for (const [id, left] of scrolled) document.getElementById(id)?.scroll(left, 0);
  opened = scrolled = [];
});

// What htmx asked for and did not get is said, where nothing else would change; it is over with the next answer.
const unheard = (which) => {
  for (const one of document.querySelectorAll("[data-unheard]")) one.hidden = one.dataset.unheard !== which;
};
document.addEventListener("htmx:sendError", () => unheard("away"));
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  unheard(status === 401 ? "signed-out" : status < 500 ? "refused" : "away");
});
document.addEventListener("htmx:beforeSwap", (event) => { if (!event.detail.isError) unheard(""); });

// A form is sent once, however often its button is pressed, until the page is left or it has taken too long; nor does the
// second click of a double one press the button that the next page happens to have in the same place.
const LONG = 10_000;
const DOUBLE = 700;
const NEAR = 8;
let sent = new WeakMap();
let click = { at: 0, x: 0, y: 0 };
const clicked = () => {
  try {
    return JSON.parse(sessionStorage.getItem("click")) || click;
  } catch {
    return click;  // A browser that keeps nothing.
  }
};
let before = clicked();
const posted = (form) => form && form.getAttribute("method") === "post";
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !posted(form)) return;
  if (Date.now() - (sent.get(form) || -LONG) < LONG) event.preventDefault();
  else sent.set(form, Date.now());
});
document.addEventListener("click", (event) => {
  if (!event.detail) return;  // By the keyboard.
  const now = { at: Date.now(), x: event.clientX, y: event.clientY };
  const near = Math.abs(now.x - before.x) <= NEAR && Math.abs(now.y - before.y) <= NEAR;
  const button = event.target.closest("button");
  if (button && posted(button.form) && near && now.at - before.at < DOUBLE) event.preventDefault();
  else click = now;
}, true);
addEventListener("pagehide", () => {
  try {
    sessionStorage.setItem("click", JSON.stringify(click));
  } catch { /* A browser that keeps nothing. */ }
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  before = clicked();
  sent = new WeakMap();
});

// Text that was typed and not sent is not left without a question; who stays may send again what was being sent.
const typing = new Set(document.querySelectorAll("form[data-unsaved]"));
let sending = null;
document.addEventListener("input", (event) => {
  const { form } = event.target;
  if (posted(form) && form.querySelector("textarea")) typing.add(form);
});
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented) sending = typing.delete(event.target) ? event.target : null;
});
addEventListener("beforeunload", (event) => {
  const differs = (one) => one.value !== one.defaultValue;
  const left = (form) => "unsaved" in form.dataset || [...form.querySelectorAll("input, textarea")].some(differs);
  if (![...typing].some(left)) return;
  event.preventDefault();
  setTimeout(() => {
    sent = new WeakMap();
    if (sending) typing.add(sending);
  });
});
