import type {
  AsyncApiChannel,
  AsyncApiDocument,
  AsyncApiMessage,
  Reference,
} from '../events/async-api-document.ts'
import { type Html, html } from './html.ts'

/** The page of an AsyncAPI document for people: every channel, message, schema and example, without a script. */
export function eventDocsPage({ info, channels, operations, components }: AsyncApiDocument): string {
  const names = Object.keys(channels)
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${info.title}: events</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/events.css">
</head>
<body>
<header>
<h1>${info.title} <small>${info.version}</small></h1>
<p>What it publishes and consumes. For programs: <a href="/asyncapi.json">AsyncAPI 3.0</a>. Its requests: <a href="/docs">/docs</a>.</p>
<nav aria-label="Channels"><ul>${names.map((name) => html`<li><a href="#${name}">${name}</a></li>`)}</ul></nav>
</header>
<main>
<section>
<h2>Operations</h2>
<ul>${Object.values(operations).map(
    ({ action, title, messages }) =>
      html`<li><b>${action}</b> ${title}: ${joined(messages.map((message) => linkTo(nameIn(message))))}</li>`,
  )}</ul>
</section>
${names.map((name) => channelSection(name, channels[name] as AsyncApiChannel, components))}
</main>
</body>
</html>
`.text
}

/** Colours that weak eyes can tell apart, by day and by night; long words break on a narrow screen. */
export const eventDocsStyle = `:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; overflow-wrap: anywhere; background: #ffffff; color: #1c2128 }
small { font-weight: normal }
a { color: #1a5fb4 }
section, article { border-top: 1px solid #8a919c; margin-top: 1.5rem }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; padding: 0 }
nav a { display: inline-block; padding: .25rem 0 }
pre { background: #f0f2f5; overflow-x: auto; padding: .75rem; overflow-wrap: normal }
code { font-family: ui-monospace, monospace; font-size: .9rem }
summary { cursor: pointer; padding: .25rem 0 }
@media (prefers-color-scheme: dark) {
  body { background: #15181d; color: #e6e9ee }
  a { color: #8ab8f5 }
  pre { background: #22262d }
}
`

function channelSection(
  name: string,
  { address, title, description, messages, parameters }: AsyncApiChannel,
  { messages: known, schemas }: AsyncApiDocument['components'],
): Html {
  return html`<section id="${name}">
<h2>${title}</h2>
<p>${description} Its name: <code>${address}</code>${parameters ? html`, <code>${JSON.stringify(parameters)}</code>` : ''}.</p>
${Object.keys(messages).map((message) => messageArticle(message, known[message] as AsyncApiMessage, schemas[message]))}
</section>
`
}

function messageArticle(
  id: string,
  { title, description, examples = [] }: AsyncApiMessage,
  schema: object | undefined,
): Html {
  return html`<article id="${id}">
<h3>${title}</h3>
<p>${description}</p>
${examples.map(({ payload }) => code('An example', payload))}
<details><summary>Schema of ${title}</summary>${code('Its schema', schema)}</details>
</article>
`
}

const code = (label: string, value: unknown) =>
  html`<pre tabindex="0" aria-label="${label}"><code>${JSON.stringify(value, null, 2)}</code></pre>`

const linkTo = (message: string) => html`<a href="#${message}">${message}</a>`

const joined = (parts: readonly Html[]) => parts.map((part, at) => (at === 0 ? part : html`, ${part}`))

const nameIn = ({ $ref }: Reference) => $ref.slice($ref.lastIndexOf('/') + 1)
