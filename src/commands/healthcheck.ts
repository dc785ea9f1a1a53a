import type { Config } from '../config.ts'

/** What is wrong with the service on this machine; undefined when it is ready. */
export async function findUnreadiness({
  host,
  port,
  operationsPort = port,
}: Pick<Config, 'host' | 'port' | 'operationsPort'>): Promise<string | undefined> {
  const everywhere = host === '0.0.0.0' || host === '::'
  const name = everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  const url = `http://${name}:${operationsPort}/ready`
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(3000) })
    return response.ok ? undefined : `${url} answers ${response.status}`
  } catch {
    return `${url} does not answer`
  }
}
