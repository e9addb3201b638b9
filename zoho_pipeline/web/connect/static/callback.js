// Tells the page that opened this window how the consent ended, then closes the window.
// The message goes to one origin, the session's. If none is known, nothing is sent.
const result = document.getElementById("result").dataset;

function close() {
  if (result.close === "yes") window.close();
}

if (window.opener && result.origin) {
  window.addEventListener("message", (event) => {
    const isAck = event.data && event.data.type === "zoho-pipeline:ack";
    if (event.origin === result.origin && event.source === window.opener && isAck) close();
  });
  window.opener.postMessage(
    {
      source: "zoho-pipeline",
      v: 1,
      type: result.type,
      session_id: result.sessionId,
      channel_id: result.channelId,
      code: result.code || null,
    },
    result.origin,
  );
}
setTimeout(close, 500);
