(() => {
  const tag = document.currentScript, set = tag.dataset, began = performance.now(), name = "zp-touch";
  const store = use => {
    try { return use(sessionStorage); } catch {}
  };
  let agreed = false, last;
  const touch = () => {
    const kept = agreed && store(at => JSON.parse(at[name]));
    if (kept) return kept;
    const now = { landing_url: location.href.slice(0, 2e3), referrer: document.referrer.slice(0, 2e3) };
    for (const [key, text] of new URLSearchParams(location.search))
      if (/^(utm_\w+|gclid)$/.test(key)) now[key] = text.slice(0, 2e3);
    if (agreed) store(at => at[name] = JSON.stringify(now));
    return now;
  };
  const agree = (yes = true) => {
    agreed = yes;
    yes ? touch() : store(at => delete at[name]);
  };
  window.zohoPipelineForms = { agree };
  if ("consented" in set) agree();
  addEventListener("change", ({ target }) => {
    if (set.consent && target.matches(set.consent)) agree(target.checked);
  });
  addEventListener("submit", ({ target: form }) => {
    const field = css => [...form.elements].find(e => e.matches(css));
    const value = css => field(css)?.value || "";
    if (!form.matches(set.form || "form") || !field("[type=email],[type=tel]")) return;
    const ask = set.consent, box = ask && (field(ask) || document.querySelector(ask));
    if (box) agree(box.checked);
    const body = { "consent[analytics]": agreed };
    if (agreed) Object.assign(body, touch(), {
      "consent[text_version]": set.textVersion || "1",
      email: value("[type=email]"), phone: value("[type=tel]"), hp: value("[name=hp]"),
      form_id: set.formId || form.getAttribute("id") || "", content_id: set.contentId || ""
    });
    if (last == (last = JSON.stringify(body))) return;
    body.submission_id = crypto.randomUUID();
    if (agreed) body.elapsed_ms = performance.now() - began;
    fetch(new URL("/v1/forms/" + set.key, tag.src), {
      method: "POST", body: new URLSearchParams(body), credentials: "omit", keepalive: true }).catch(() => last = 0);
  }, true);
})();
