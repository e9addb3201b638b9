// zoho-pipeline docs/forms.md
(() => {
  const tag = document.currentScript, set = tag.dataset, began = Date.now(), name = "zp-touch";
  const store = use => {
    try { return use(sessionStorage); } catch {}
  };
  let agreed = "consented" in set;
  const cut = u => u.slice(0, 2e3);
  const touch = () => {
    const kept = agreed && store(at => JSON.parse(at[name]));
    if (kept) return kept;
    const now = { landing_url: cut(location.href), referrer: cut(document.referrer) };
    for (const [key, text] of new URLSearchParams(location.search))
      if (/^(utm_(source|medium|campaign|term|content|id)|gclid)$/.test(key)) now[key] = text;
    if (agreed) store(at => at[name] = JSON.stringify(now));
    return now;
  };
  const agree = (yes = true) => {
    agreed = yes;
    yes ? touch() : store(at => delete at[name]);
  };
  window.zohoPipelineForms = { agree };
  if (agreed) touch();
  document.addEventListener("change", ({ target }) => {
    if (set.consent && target.matches(set.consent)) agree(target.checked);
  });
  document.addEventListener("submit", ({ target: form }) => {
    const field = css => [...form.elements].find(e => e.matches(css));
    const value = css => field(css)?.value || "";
    if (!form.matches(set.form || "form") || !field("[type=email],[type=tel]")) return;
    const ask = set.consent, box = ask && (field(ask) || document.querySelector(ask));
    if (box) agree(box.checked);
    const body = { submission_id: crypto.randomUUID(), "consent[analytics]": agreed };
    if (agreed) Object.assign(body, touch(), {
      "consent[text_version]": set.textVersion || "1",
      email: value("[type=email]"),
      phone: value("[type=tel]"),
      hp: value("[name=hp]"),
      form_id: set.formId || form.getAttribute("id") || "",
      content_id: set.contentId || "",
      elapsed_ms: Date.now() - began
    });
    fetch(new URL("/v1/forms/" + set.key, tag.src), {
      method: "POST", body: new URLSearchParams(body), credentials: "omit", keepalive: true }).catch(() => 0);
  }, true);
})();
