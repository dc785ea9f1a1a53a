import { swagger } from '@elysiajs/swagger'
import { Elysia } from 'elysia'
import type { AsyncApiDocument } from '../events/async-api-document.ts'
import { assetNames, assetResponse, prepareAsset, swaggerAsset } from './docs-assets.ts'
import { docsPage, docsPolicy, pageScript, pageStyle } from './docs-page.ts'
import { eventDocsPage, eventDocsStyle } from './event-docs-page.ts'
import { repairOpenApi } from './openapi.ts'

export interface DocsOptions {
  readonly title: string
  readonly version: string
  readonly description: string
  /** Without it there is neither a page nor a document. Default true. */
  readonly enabled?: boolean
  /** What the service publishes and consumes. */
  readonly asyncApi: () => AsyncApiDocument
}

/** What a guarded module's `detail` says: its routes ask for an access token. */
export const bearerAuth = [{ bearerAuth: [] }]

/**
 * `GET /docs` for people and `GET /docs/json`, OpenAPI 3.1, for programs; both made from the routes' schemas.
 *
 * The page is Swagger UI, served by this program alone: it works without the Internet, under a policy that lets nothing
 * else be loaded. `GET /docs/events` and `GET /asyncapi.json`, AsyncAPI 3.0, are the same for events.
 */
export function docs({ enabled = true, asyncApi, ...info }: DocsOptions) {
  return new Elysia({ name: 'docs' }).use(
    enabled ? [openApiDocument(info), page(info), eventDocs(asyncApi)] : [],
  )
}

function openApiDocument(info: Omit<DocsOptions, 'enabled' | 'asyncApi'>) {
  const specPath = '/docs/json'
  return new Elysia({ name: 'openapi' })
    .onAfterHandle(({ path, responseValue }) =>
      path === specPath ? repairOpenApi(responseValue) : undefined,
    )
    .use(
      swagger({
        path: '/docs',
        specPath,
        documentation: {
          info: { ...info },
          components: {
            securitySchemes: { bearerAuth: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
          },
        },
      }),
    )
}

const hidden = { detail: { hide: true } }

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': docsPolicy,
  'cache-control': 'no-cache',
}

function eventDocs(describe: () => AsyncApiDocument) {
  let document: AsyncApiDocument | undefined
  let page: string | undefined
  const asyncApi = () => {
    document ??= describe()
    return document
  }
  const style = prepareAsset(eventDocsStyle, 'text/css; charset=utf-8')
  return new Elysia({ name: 'event-docs' })
    .get('/asyncapi.json', asyncApi, hidden)
    .get(
      '/docs/events',
      () => {
        page ??= eventDocsPage(asyncApi())
        return new Response(page, { headers: pageHeaders })
      },
      hidden,
    )
    .get('/docs/events.css', async ({ request }) => assetResponse(await style, request), hidden)
}

/** Mounted after the plugin, whose own page at the same path loads from elsewhere: the later route is the one that answers. */
function page({ title }: Pick<DocsOptions, 'title'>) {
  const html = docsPage(title)
  const script = prepareAsset(pageScript, 'text/javascript; charset=utf-8')
  const style = prepareAsset(pageStyle, 'text/css; charset=utf-8')
  const routes = new Elysia({ name: 'docs-page' })
    .get('/docs', () => new Response(html, { headers: pageHeaders }), hidden)
    .get('/docs/page.js', async ({ request }) => assetResponse(await script, request), hidden)
    .get('/docs/page.css', async ({ request }) => assetResponse(await style, request), hidden)
  for (const name of assetNames)
    routes.get(
      `/docs/${name}`,
      async ({ request }) => assetResponse(await swaggerAsset(name), request),
      hidden,
    )
  return routes
}
