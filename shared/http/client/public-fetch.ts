import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { Readable } from 'node:stream'
import type { Fetch } from '../../observability/traced-fetch.ts'
import { addressRefused, checkedLookup, isPublicAddress } from './addresses.ts'

const bodiless: readonly number[] = [101, 204, 205, 304]

/**
 * `fetch` for URLs from outside: it connects only to addresses that are allowed, and to the very ones that it has checked.
 * It follows no redirect, takes no compressed answer, keeps no connection, and hands on neither baggage nor trace state.
 *
 * @throws {AppError} `ADDRESS_REFUSED`
 */
export function publicFetch(isAllowed: (address: string) => boolean = isPublicAddress): Fetch {
  const lookup = checkedLookup(isAllowed) as never
  return async (input, init) => {
    const asked = new Request(input, init)
    const url = new URL(asked.url)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    // Not a name, so it is not looked up.
    if (isIP(host) !== 0 && !isAllowed(host)) throw addressRefused(host)
    const body = asked.body === null ? undefined : new Uint8Array(await asked.arrayBuffer())
    const send = url.protocol === 'https:' ? requestHttps : requestHttp
    const { method, signal } = asked
    const { baggage: _, tracestate: __, ...headers } = Object.fromEntries(asked.headers)
    const options = {
      method,
      headers: { ...headers, 'accept-encoding': 'identity' },
      signal,
      agent: false,
      lookup,
    }
    return await new Promise<Response>((resolve, reject) => {
      const sent = send(url, options, (answer) => resolve(responseOf(answer, method)))
      sent.once('error', reject)
      sent.end(body)
    })
  }
}

function responseOf(answer: IncomingMessage, method: string): Response {
  const status = answer.statusCode ?? 502
  const headers = new Headers()
  const { rawHeaders } = answer
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '')
  const isBodiless = bodiless.includes(status) || method === 'HEAD'
  if (isBodiless) answer.resume()
  const body = isBodiless ? null : (Readable.toWeb(answer) as unknown as ReadableStream)
  return new Response(body, { status, headers })
}
