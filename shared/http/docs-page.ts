import { escapeHtml } from './html.ts'

/** Everything from this host and nothing inline; Swagger UI's pictures are data URLs. */
export const docsPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The page around Swagger UI. */
export function docsPage(title: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/page.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui.js"></script>
<script src="/docs/page.js"></script>
</body>
</html>
`
}

/** Starts Swagger UI, and says to a screen reader what its markup leaves out. */
export const pageScript = `const attributes = [
  ['h3', 'aria-level', '2'],
  ['h4', 'aria-level', '3'],
  ['h5', 'aria-level', '4'],
  ['.information-container', 'role', 'region'],
  ['.information-container', 'aria-label', 'About'],
  ['.modal-ux', 'role', 'dialog'],
  ['.modal-ux', 'aria-label', 'Available authorizations'],
  ['table.responses-table', 'role', 'table'],
  ['textarea.body-param__text', 'aria-label', 'Body'],
  ['pre.microlight, .highlight-code pre', 'tabindex', '0'],
  ['.close-modal', 'aria-label', 'Close'],
  ['.modal-btn.authorize', 'aria-label', 'Authorize'],
]
function describe() {
  for (const [selector, name, value] of attributes)
    for (const element of document.querySelectorAll(selector))
      if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}
let asked = 0
function soon() {
  cancelAnimationFrame(asked)
  asked = requestAnimationFrame(describe)
}
new MutationObserver(soon).observe(document.body, { childList: true, subtree: true })
window.SwaggerUIBundle({
  dom_id: '#swagger-ui',
  url: '/docs/json',
  deepLinking: false,
  validatorUrl: null,
})
`

/** Colours that weak eyes can tell apart, and lines that break on a narrow screen. */
export const pageStyle = `body { margin: 0 }
.swagger-ui .info .title small pre { background: #4d5563 }
.swagger-ui .info .title small.version-stamp pre { background: #3f6600 }
.swagger-ui .info .title small, .swagger-ui .info .title small.version-stamp { background: none }
.swagger-ui .info a, .swagger-ui .info .url { color: #1a5fb4 }
.swagger-ui .btn.authorize, .swagger-ui .btn.authorize span { border-color: #176b45; color: #176b45 }
.swagger-ui .btn.authorize svg { fill: #176b45 }
.swagger-ui .btn.cancel { border-color: #b01c1c; color: #b01c1c }
.swagger-ui .btn.execute { background: #1a5fb4; border-color: #1a5fb4 }
.swagger-ui .opblock .opblock-summary-method { background: #4d5563 }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #1a5fb4 }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #176b45 }
.swagger-ui .opblock.opblock-put .opblock-summary-method { background: #8a4b00 }
.swagger-ui .opblock.opblock-patch .opblock-summary-method { background: #0b6b62 }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #b01c1c }
.swagger-ui .parameter__in, .swagger-ui .json-schema-2020-12-expand-deep-button { color: #4d5563 }
.swagger-ui .opblock-summary-path { overflow-wrap: anywhere }
`
