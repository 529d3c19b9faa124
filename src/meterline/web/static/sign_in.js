// `meterline demo` prints a link with the token in the fragment, which browsers never send to a server.
"use strict";
(() => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  document.getElementById("token").value = token;
  history.replaceState(null, "", location.pathname + location.search);
  document.querySelector(".sign-in button").focus();
})();
