import { get as getPlain } from 'node:http'
import { get as getByTls } from 'node:https'

/**
 * Asks `/ready` on this machine.
 *
 * The certificate is not looked at: it names the service, not this machine, and nothing secret is sent.
 *
 * @returns what is wrong; undefined when it is ready.
 */
export function askReadiness({
  hostname,
  port,
  tls,
}: {
  readonly hostname: string
  readonly port: number
  readonly tls: boolean
}): Promise<string | undefined> {
  const everywhere = hostname === '0.0.0.0' || hostname === '::'
  const host = everywhere ? '127.0.0.1' : hostname
  const url = `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}/ready`
  const options = { timeout: 3000, agent: false, rejectUnauthorized: false } as const
  return new Promise((resolve) => {
    const request = (tls ? getByTls : getPlain)(url, options, ({ statusCode = 0 }) => {
      resolve(statusCode === 200 ? undefined : `${url} answers ${statusCode}`)
      request.destroy()
    })
    request.on('timeout', () => request.destroy(new Error('too slow')))
    request.on('error', () => resolve(`${url} does not answer`))
  })
}
