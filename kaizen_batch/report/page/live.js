(() => {
  const EVERY_MS = 1000;
  const gone = (why) => {
    const note = document.getElementById("gone");
    note.textContent = why;
    note.hidden = !why;
  };

  const parts = (page) => [...page.querySelectorAll("[data-part]")];

  const take = (page) => {
    if (parts(page).length !== parts(document).length) return location.reload(); // the first run has begun
    const open = new Set([...document.querySelectorAll("details[open]")].map((details) => details.dataset.key));
    for (const part of parts(document)) {
      const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
      if (fresh.outerHTML === part.outerHTML) continue;
      for (const details of fresh.querySelectorAll("details")) details.open = open.has(details.dataset.key);
      part.replaceWith(document.adoptNode(fresh));
    }
    document.title = page.title;
    document.documentElement.dataset.status = page.documentElement.dataset.status;
    const held = document.getElementById("data"), fresh = page.getElementById("data");
    if (held.textContent === fresh.textContent) return;
    held.textContent = fresh.textContent;
    report.show(report.read(document));
  };

  const refresh = async () => {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      const text = await answer.text();
      if (answer.ok) take(new DOMParser().parseFromString(text, "text/html"));
      gone(answer.ok ? "" : text);
    } catch {
      gone("The watching has ended: this is the last that was seen.");
    }
    setTimeout(refresh, EVERY_MS);
  };
  setTimeout(refresh, EVERY_MS);
})();
