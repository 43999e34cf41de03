"use strict";
(function () {
  document.documentElement.classList.add("js");
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));

  // --- the matrix: search, filter, sort ---
  const table = document.getElementById("matrix");
  if (table) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const search = document.getElementById("search");
    const selects = all(".tools select");
    const output = document.querySelector(".tools output");

    // A row may have several values of a kind, with blanks between them.
    const has = (row, name, value) => !value || row.dataset[name] === value
      || (row.dataset[name] || "").split(" ").includes(value);
    const filter = function () {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach(function (row, index) {
        const fits = selects.every((select) => has(row, select.name, select.value))
          && words.every((word) => texts[index].includes(word));
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      output.textContent = shown === rows.length ? rows.length + " requirements" : shown + " of " + rows.length;
    };
    search.addEventListener("input", filter);
    selects.forEach((select) => select.addEventListener("change", filter));
    document.querySelector(".tools button").addEventListener("click", function () {
      search.value = "";
      selects.forEach(function (select) { select.value = ""; });
      filter();
      search.focus();
    });
    all("a[data-theme]").forEach(function (link) {
      link.addEventListener("click", function () {
        selects.forEach(function (select) { select.value = select.name === "theme" ? link.dataset.theme : ""; });
        search.value = "";
        filter();
      });
    });
    document.addEventListener("keydown", function (event) {
      if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
        event.preventDefault();
        search.focus();
      }
    });

    const heads = all("th[aria-sort]", table);
    heads.forEach(function (head) {
      const label = head.textContent;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      head.textContent = "";
      head.append(button);
      button.addEventListener("click", function () {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = head.dataset.key;
        const order = rows.slice().sort((a, b) => Number(a.dataset[key]) - Number(b.dataset[key]));
        body.append(...(up ? order : order.reverse()));
      });
    });
    filter();
  }

  // --- an exchange opens over the page ---
  const dialog = document.querySelector("dialog");
  const reveal = function (target) {
    for (let part = target; part; part = part.parentElement) {
      if (part.tagName === "DETAILS") { part.open = true; }
    }
  };
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a");
    const address = link && link.getAttribute("href");
    if (!address || address[0] !== "#" || event.ctrlKey || event.metaKey) { return; }
    const target = document.getElementById(address.slice(1));
    if (!target) { return; }
    if (!target.classList.contains("exchange")) { reveal(target); return; }
    event.preventDefault();
    const content = dialog.querySelector(".content");
    content.replaceChildren(...Array.from(target.cloneNode(true).childNodes));
    dialog.querySelector("h2").textContent = target.dataset.title;
    dialog.showModal();
    dialog.scrollTop = 0;
  });
  if (dialog) {
    dialog.querySelector("button").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", function (event) { if (event.target === dialog) { dialog.close(); } });
  }
  const opened = function () {
    const target = document.getElementById(location.hash.slice(1));
    if (target) { reveal(target); target.scrollIntoView(); }
  };
  window.addEventListener("hashchange", opened);
  if (location.hash) { opened(); }

  // --- commands can be copied ---
  all(".command").forEach(function (command) {
    if (!navigator.clipboard) { return; }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(command.querySelector("pre").textContent).then(function () {
        button.textContent = "Copied";
        setTimeout(function () { button.textContent = "Copy"; }, 1500);
      });
    });
    command.append(button);
  });

  // --- on paper everything that explains a failure is open ---
  let closed = [];
  window.addEventListener("beforeprint", function () {
    closed = all("details.card:not([open]), details.evidence:not([open])");
    closed.forEach(function (part) { part.open = true; });
  });
  window.addEventListener("afterprint", function () { closed.forEach(function (part) { part.open = false; }); });
})();
