"use strict";
const charts = [...document.querySelectorAll("[data-chart]")];
const dark = matchMedia("(prefers-color-scheme: dark)");

function colours() {
  const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
  const text = {labelColor: of("--ink"), titleColor: of("--ink")};
  return {background: null, view: {stroke: null}, legend: text, title: {color: of("--ink")},
    axis: {...text, gridColor: of("--line"), domainColor: of("--soft"), tickColor: of("--soft")}};
}

async function draw(place) {
  const spec = JSON.parse(document.getElementById(place.dataset.chart).textContent);
  const target = document.createElement("div");
  const width = Math.max(240, Math.min(place.clientWidth - 130, 820));
  for (const part of [spec, ...(spec.vconcat ?? [])]) if (part.width) part.width *= width / 640;
  const many = Array.isArray(spec.data?.values) && spec.data.values.length > 5000;
  await vegaEmbed(target, spec, {ast: true, actions: false, renderer: many ? "canvas" : "svg", config: colours()});
  place.replaceChildren(target);
  place.dataset.drawn = "yes";
}

async function drawAll() {
  for (const place of charts) await draw(place);
  document.documentElement.dataset.ready = "yes";
}

function sortable(table) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      table.querySelectorAll("thead th").forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
      const numbers = rows.every(([value]) => value === "" || !Number.isNaN(Number(value)));
      rows.sort(([a], [b]) => {
        if (a === "" || b === "") return (a === "") - (b === "");
        const order = numbers ? Number(a) - Number(b) : a < b ? -1 : Number(a > b);
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

function filterable(input) {
  const table = document.getElementById(input.dataset.table);
  const count = document.querySelector(`output[data-table="${input.dataset.table}"]`);
  const show = () => {
    const wanted = input.value.trim().toUpperCase();
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.cells[0].textContent.toUpperCase().includes(wanted);
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${table.tBodies[0].rows.length}`;
  };
  input.addEventListener("input", show);
  show();
}

document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll("input.filter").forEach(filterable);
dark.addEventListener("change", drawAll);
drawAll();
