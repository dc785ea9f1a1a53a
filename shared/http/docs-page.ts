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
<main id="swagger-ui"></main>
<script src="/docs/swagger-ui.js"></script>
<script src="/docs/page.js"></script>
</body>
</html>
`
}

export const pageScript = `window.SwaggerUIBundle({
  dom_id: '#swagger-ui',
  url: '/docs/json',
  deepLinking: true,
  validatorUrl: null,
})
`

/** What a narrow screen and weak eyes need beyond Swagger UI's own. */
export const pageStyle = `body { margin: 0 }
`

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
