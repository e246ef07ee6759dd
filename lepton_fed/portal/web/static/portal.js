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
