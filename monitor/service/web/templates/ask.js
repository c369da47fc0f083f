"use strict";
const form = document.querySelector("form");
const said = document.querySelector("output");

function side(name) {
  const found = {};
  for (const key of ["from", "to", "segment", "version"]) {
    const field = form.elements.namedItem(`${name}.${key}`);
    if (field && field.value.trim()) found[key] = field.value.trim();
  }
  return found;
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = {monitor: form.dataset.monitor, reference: side("reference"), current: side("current")};
  said.textContent = "";
  try {
    const answer = await fetch(form.getAttribute("action"), {
      method: "POST",
      headers: {"Content-Type": "application/json"},
      body: JSON.stringify(body),
    });
    const told = await answer.json();
    if (answer.status === 202) location.assign(form.dataset.page + told.id);
    else said.textContent = told.detail;
  } catch (error) {
    said.textContent = "The service does not answer.";
  }
});
