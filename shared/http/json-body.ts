import type { AnyElysia } from 'elysia'
import { registerDateTime } from '../date-time.ts'
import { repeatsName, unknownFields, unsafeValues } from './json-safety.ts'
import { SharedError } from './problem-errors.ts'
import { routeTable } from './route-table.ts'

/**
 * Reads JSON bodies, and refuses what Elysia would let pass in silence. Mount it before the modules.
 *
 * A body above `maxBytes` is answered 413 as soon as that is known, also when it comes in chunks. Broken JSON and UTF-8, and
 * two fields of one name in an object, are 400; one that takes longer than `timeoutMs` to arrive is 408; a compressed one
 * is 415, and so never grows here; a field that the route's schema does not know, NUL bytes, lone surrogates, numbers that
 * JSON cannot carry exactly and nesting below `maxDepth` are 422 with the path. So is NUL in the path and in the query.
 * An empty body is `null`.
 */
export function jsonBody({
  maxBytes,
  timeoutMs = 20_000,
  maxDepth = 32,
}: {
  maxBytes: number
  timeoutMs?: number
  maxDepth?: number
}) {
  registerDateTime()
  return <App extends AnyElysia>(app: App): App => {
    const routes = routeTable(app)
    const received = new WeakMap<Request, unknown>()

    app.onParse({ as: 'global' }, async ({ request }, contentType) => {
      const encoding = request.headers.get('content-encoding')
      if (encoding !== null && encoding.toLowerCase() !== 'identity')
        throw new SharedError('CONTENT_ENCODING_UNSUPPORTED', 'The body must not be compressed', {
          headers: { 'accept-encoding': 'identity' },
        })
      const bytes = await inTime(readBytes(request, maxBytes), timeoutMs)
      // Not `undefined`: Elysia would read the body once more then, which Deno refuses.
      if (bytes.byteLength === 0) return null
      if (contentType !== 'application/json') {
        throw new SharedError('MEDIA_TYPE_UNSUPPORTED', 'The body must be application/json')
      }
      const body = parse(bytes)
      received.set(request, body)
      return body
    })
    // Not while parsing: who may not call the route learns nothing of its fields.
    app.onBeforeHandle({ as: 'global' }, ({ request, route, query, params }) => {
      if (request.url.includes('%00')) {
        const errors = unsafeValues({ ...query, ...params }, { maxDepth })
        if (errors.length > 0)
          throw new SharedError('VALIDATION_FAILED', 'The path or query is not valid', { errors })
      }
      const body = received.get(request)
      if (body === undefined) return
      const schema = routes.bodyOf(request.method, route)
      const errors = [...unsafeValues(body, { maxDepth }), ...(schema ? unknownFields(body, schema) : [])]
      if (errors.length > 0) throw new SharedError('VALIDATION_FAILED', 'The body is not valid', { errors })
    })
    return app
  }
}

function parse(bytes: Uint8Array): unknown {
  const [text, body] = parsed(bytes)
  if (repeatsName(text, body))
    throw new SharedError('BODY_INVALID', 'An object of the body has two fields of one name')
  return body
}

function parsed(bytes: Uint8Array): [text: string, body: unknown] {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return [text, JSON.parse(text)]
  } catch (cause) {
    throw new SharedError('BODY_INVALID', 'The body is not valid JSON in UTF-8', { cause })
  }
}

/** The connection is of no more use: what is still to come would be taken for the next request. */
async function inTime<Result>(reading: Promise<Result>, timeoutMs: number): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const headers = { connection: 'close' }
      reject(new SharedError('BODY_TOO_SLOW', `The body took longer than ${timeoutMs} ms`, { headers }))
    }, timeoutMs)
  })
  try {
    return await Promise.race([reading, late])
  } finally {
    clearTimeout(timer)
  }
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new SharedError('BODY_TOO_LARGE', `The body is larger than ${maxBytes} bytes`)
  const declared = request.headers.get('content-length')
  if (declared !== null) {
    if (Number(declared) > maxBytes) throw tooLarge()
    const bytes = new Uint8Array(await request.arrayBuffer())
    if (bytes.byteLength > maxBytes) throw tooLarge()
    return bytes
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return await new Blob(chunks as Uint8Array<ArrayBuffer>[]).bytes()
}
