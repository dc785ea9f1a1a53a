import { swagger } from '@elysiajs/swagger'
import { Elysia } from 'elysia'
import { assetNames, assetResponse, prepareAsset, swaggerAsset } from './docs-assets.ts'
import { docsPage, docsPolicy, pageScript, pageStyle } from './docs-page.ts'
import { repairOpenApi } from './openapi.ts'

export interface DocsOptions {
  readonly title: string
  readonly version: string
  readonly description: string
  /** Without it there is neither the page nor the document. Default true. */
  readonly enabled?: boolean
}

/** What a guarded module's `detail` says: its routes ask for an access token. */
export const bearerAuth = [{ bearerAuth: [] }]

/**
 * `GET /docs` for people and `GET /docs/json`, OpenAPI 3.1, for programs; both made from the routes' schemas.
 *
 * The page is Swagger UI, served by this program alone: it works without the Internet, under a policy that lets nothing
 * else be loaded.
 */
export function docs({ enabled = true, ...info }: DocsOptions) {
  return new Elysia({ name: 'docs' }).use(enabled ? [openApiDocument(info), page(info)] : [])
}

function openApiDocument(info: Omit<DocsOptions, 'enabled'>) {
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

/** Mounted after the plugin, whose own page at the same path loads from elsewhere: the later route is the one that answers. */
function page({ title }: Pick<DocsOptions, 'title'>) {
  const hidden = { detail: { hide: true } }
  const html = docsPage(title)
  const script = prepareAsset(pageScript, 'text/javascript; charset=utf-8')
  const style = prepareAsset(pageStyle, 'text/css; charset=utf-8')
  const routes = new Elysia({ name: 'docs-page' })
    .get(
      '/docs',
      () =>
        new Response(html, {
          headers: {
            'content-type': 'text/html; charset=utf-8',
            'content-security-policy': docsPolicy,
            'cache-control': 'no-cache',
          },
        }),
      hidden,
    )
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
