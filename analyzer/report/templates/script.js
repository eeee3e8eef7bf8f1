"use strict";
// Comforts only: copy buttons, a table that sorts and filters, folded parts that open when needed. The page is whole without them.
(() => {
  const words = document.body.dataset; // what the script says, in the page's language
  const copyText = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  const said = document.createElement("p");
  said.className = "hidden";
  said.setAttribute("aria-live", "polite");
  document.body.append(said);

  for (const code of document.querySelectorAll("code[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = code.textContent;
    button.title = words.copy.replace("{text}", code.dataset.copy);
    button.addEventListener("click", async () => {
      await copyText(code.dataset.copy);
      said.textContent = words.copied.replace("{text}", code.dataset.copy);
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1200);
    });
    code.replaceWith(button);
  }

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const key = (row, column) => {
      const cell = row.cells[column];
      return (cell.dataset.sort ?? cell.textContent).trim();
    };
    if (rows.length < 2) continue; // nothing to sort
    const order = new Intl.Collator(document.documentElement.lang, { numeric: true });
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        rows.sort((a, b) => order.compare(key(a, column), key(b, column)) * (down ? -1 : 1));
        body.append(...rows);
      });
    });
    if (rows.length < 8) continue; // seen at a glance
    const find = document.createElement("div");
    find.className = "find";
    const label = document.createElement("label");
    label.textContent = table.dataset.find;
    const input = document.createElement("input");
    input.type = "search";
    input.placeholder = table.dataset.hint;
    const shown = document.createElement("span");
    shown.className = "quiet";
    shown.setAttribute("aria-live", "polite");
    label.append(input);
    find.append(label, shown);
    table.parentElement.before(find);
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of rows) {
        row.hidden = !wanted.every((word) => texts.get(row).includes(word));
        count += !row.hidden;
      }
      shown.textContent = wanted.length ? table.dataset.shown.replace("{some}", count).replace("{all}", rows.length) : "";
    });
  }

  const open = (element) => {
    for (let at = element; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  };
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) {
      open(target);
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details:not([open])")) {
      fold.open = true;
      fold.dataset.folded = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const fold of document.querySelectorAll("details[data-folded]")) {
      fold.open = false;
      delete fold.dataset.folded;
    }
  });
})();
