import { swagger } from '@elysiajs/swagger'
import { Elysia } from 'elysia'
import { repairOpenApi } from './openapi.ts'

export interface DocsOptions {
  readonly title: string
  readonly version: string
  readonly description: string
}

/** What a guarded module's `detail` says: its routes ask for an access token. */
export const bearerAuth = [{ bearerAuth: [] }]

/** `GET /docs` for people and `GET /docs/json`, OpenAPI 3.1, for programs; both made from the routes' schemas. */
export function docs(info: DocsOptions) {
  const specPath = '/docs/json'
  return new Elysia({ name: 'docs' })
    .onAfterHandle(({ path, responseValue }) =>
      path === specPath ? repairOpenApi(responseValue) : undefined,
    )
    .use(
      swagger({
        path: '/docs',
        specPath,
        provider: 'swagger-ui',
        version: '5.35.0',
        documentation: {
          info: { ...info },
          components: {
            securitySchemes: { bearerAuth: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
          },
        },
      }),
    )
}
