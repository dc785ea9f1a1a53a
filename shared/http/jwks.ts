import { Elysia } from 'elysia'
import type { Auth } from './auth.ts'

/** Other services keep the keys so long: a new one is announced that much before it signs. */
const maxAgeSeconds = 300

/**
 * `GET /.well-known/jwks.json`: the public keys with which others verify our access tokens. Only where there is one.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 */
export function jwksRoutes({ publicKeys }: Pick<Auth<string>, 'publicKeys'>) {
  const plugin = new Elysia({ name: 'jwks', detail: { tags: ['auth'] } })
  if (publicKeys.length === 0) return plugin
  const body = JSON.stringify({ keys: publicKeys })
  const headers = {
    'content-type': 'application/jwk-set+json',
    'cache-control': `public, max-age=${maxAgeSeconds}`,
  }
  return plugin.get('/.well-known/jwks.json', () => new Response(body, { headers }), {
    detail: { summary: 'Public keys of access tokens (JSON Web Key Set)' },
  })
}
