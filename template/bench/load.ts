import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { pinned } from './machine.ts'

export interface LoadOptions {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly token?: string
  readonly connections: number
  readonly seconds: number
}

export interface LoadResult {
  readonly requests: number
  readonly durationUs: number
  /** Answers of 400 and above, and what was not answered. */
  readonly errors: number
  readonly p50Us: number
  readonly p99Us: number
}

const script = fileURLToPath(new URL('load.lua', import.meta.url))

/**
 * Sends requests with `wrk` from one thread, as many as are answered.
 *
 * @throws {Error} with what `wrk` printed, when it failed.
 */
export async function load({ url, method, token, connections, seconds }: LoadOptions): Promise<LoadResult> {
  const [file, args] = pinned('client', 'wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '-s',
    script,
    url,
  ])
  const wrk = spawn(file, args, {
    env: { ...process.env, ...(method && { METHOD: method }), ...(token && { TOKEN: token }) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  wrk.stdout.on('data', (chunk) => {
    output += chunk
  })
  await once(wrk, 'close')
  const result = /^RESULT (.*)$/m.exec(output)?.[1]
  if (result === undefined) throw new Error(`wrk failed: ${output}`)
  return JSON.parse(result)
}
