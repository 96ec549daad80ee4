// Starts the page that the document asks for. A file of its own, since the pages' policy allows no script within them.
"use strict";

const page = document.getElementById("page");
if (page.dataset.kind === "swagger") {
  window.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#page",
    deepLinking: true,
    persistAuthorization: false,
    presets: [window.SwaggerUIBundle.presets.apis],
    validatorUrl: null,
  });
} else {
  window.Redoc.init("/openapi.json", { disableSearch: false, hideDownloadButton: false }, page);
}
