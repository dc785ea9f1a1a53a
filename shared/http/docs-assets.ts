/// <reference path="./swagger-ui-dist.d.ts" />
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** Something the documentation page loads, ready to be sent. */
export interface Asset {
  /** `identity` and, where the client takes it, `gzip`. */
  readonly plain: Uint8Array<ArrayBuffer>
  readonly zipped: Uint8Array<ArrayBuffer>
  readonly etag: string
  readonly contentType: string
}

/** Kept for an hour, then asked about by `ETag`. */
export const assetCaching = 'public, max-age=3600'

const isBun = process.versions.bun !== undefined

/**
 * Where the files of Swagger UI are, as its package ships them. Bun makes a file that is imported as one a part of the compiled program
 * (imported as text it is there twice, in the code and in its bytecode); other runtimes do not know such imports.
 */
const files = {
  'swagger-ui.css': async () =>
    isBun
      ? (await import('swagger-ui-dist/swagger-ui.css', { with: { type: 'file' } })).default
      : fileURLToPath(import.meta.resolve('swagger-ui-dist/swagger-ui.css')),
  'swagger-ui.js': async () =>
    isBun
      ? (await import('swagger-ui-dist/swagger-ui-bundle.js', { with: { type: 'file' } })).default
      : fileURLToPath(import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js')),
} as const

export type AssetName = keyof typeof files
export const assetNames = Object.keys(files) as AssetName[]

const ready = new Map<string, Promise<Asset>>()

/** Loaded, compressed and hashed once. */
export function swaggerAsset(name: AssetName): Promise<Asset> {
  const known = ready.get(name)
  if (known) return known
  const asset = files[name]()
    .then((file) => readFile(file, 'utf8'))
    .then((text) => prepareAsset(text, contentTypeOf(name)))
  ready.set(name, asset)
  asset.catch(() => ready.delete(name))
  return asset
}

/** A text as an asset. */
export async function prepareAsset(text: string, contentType: string): Promise<Asset> {
  const plain = new TextEncoder().encode(text)
  const zipped = new Uint8Array(await promisify(gzip)(plain))
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
  return { plain, zipped, etag, contentType }
}

/** The answer to who asks for an asset: 304 where the client has it. */
export function assetResponse({ plain, zipped, etag, contentType }: Asset, request: Request): Response {
  const headers = { etag, 'cache-control': assetCaching, vary: 'Accept-Encoding' }
  const known = request.headers.get('if-none-match')?.split(',') ?? []
  if (known.some((tag) => tag.trim().replace(/^W\//, '') === etag))
    return new Response(null, { status: 304, headers })
  const takesGzip = /\bgzip\b(?!\s*;\s*q=0(?:\.0+)?\s*(?:,|$))/i.test(
    request.headers.get('accept-encoding') ?? '',
  )
  return takesGzip
    ? new Response(zipped, {
        headers: { ...headers, 'content-type': contentType, 'content-encoding': 'gzip' },
      })
    : new Response(plain, { headers: { ...headers, 'content-type': contentType } })
}

function contentTypeOf(name: AssetName): string {
  return name.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8'
}
