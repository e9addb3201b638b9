(() => {
  const tag = document.currentScript, set = tag.dataset, ask = set.consent, name = "zp-touch", began = performance.now();
  const store = use => {
    try { return use(sessionStorage); } catch {}
  };
  const all = css => [...document.querySelectorAll(css)];
  let agreed = false, last, sent;
  const touch = () => {
    const kept = agreed && store(at => JSON.parse(at[name]));
    if (kept) return kept;
    const now = { landing_url: location.href.slice(0, 2e3), referrer: document.referrer.slice(0, 2e3) };
    for (const [key, text] of new URLSearchParams(location.search))
      if (/^(utm_\w+|gclid)$/.test(key)) now[key] = text.slice(0, 2e3);
    if (agreed) store(at => at[name] = JSON.stringify(now));
    return now;
  };
  const agree = (...said) => {
    agreed = !said.length || said[0] === true;
    agreed ? touch() : store(at => delete at[name]);
  };
  window.zohoPipelineForms = { agree };
  if ("consented" in set) agree();
  addEventListener("change", ({ target }) => ask && target.matches(ask) && agree(target.checked));
  addEventListener("submit", ({ target: form }) => {
    const field = css => all(css).find(e => e.form == form && e.type),
      value = css => field(css)?.value || "";
    if (!all(set.form || "form").includes(form) || !field("[type=email],[type=tel]")) return;
    const box = ask && (field(ask) || all(ask)[0]);
    if (box) agree(box.checked);
    const body = { "consent[analytics]": agreed };
    if (agreed) Object.assign(body, touch(), {
      "consent[text_version]": set.textVersion || "1",
      email: value("[type=email]"), phone: value("[type=tel]"), hp: value("[name=hp]"),
      form_id: set.formId || form.getAttribute("id") || "", content_id: set.contentId || ""
    });
    if (last != (last = JSON.stringify(body))) {
      body.submission_id = crypto.randomUUID();
      if (agreed) body.elapsed_ms = performance.now() - began;
      sent = new URLSearchParams(body);
    } else if (sent.ok) return;
    const post = sent;
    post.ok = 1;
    fetch(new URL("/v1/forms/" + set.key, tag.src), {
      method: "POST", body: sent, credentials: "omit", keepalive: true
    }).then(({ ok }) => post.ok = ok, () => post.ok = 0);
  }, true);
})();
