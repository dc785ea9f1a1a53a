import assert from 'node:assert/strict'
import type { TestFunction } from '@kiln/shared/testing'
import { answers } from './answers.ts'
import { Connection, type RawAnswer, type Sent } from './connection.ts'
import { connections } from './connections.ts'
import { limits } from './limits.ts'
import { live } from './live.ts'
import { malformed } from './malformed.ts'
import { web } from './web.ts'

/** The program that is asked. */
export interface Ground {
  readonly port: number
  /** An admin's access token. */
  readonly token: string
}

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON, unless it is text. */
  readonly body?: unknown
  readonly token?: string
}

/** Where one sentence is shown: connections that end with it. */
export interface Stage extends Ground {
  connection(): Connection
  /** One request on a connection of its own, its lines as they are. */
  exchange(...parts: readonly Sent[]): Promise<RawAnswer>
  ask(method: string, path: string, options?: Ask): Promise<RawAnswer>
}

export type Scene = (stage: Stage) => Promise<void>
export type Scenes = Readonly<Record<string, Scene>>

/** What holds on a runtime in place of a sentence. */
export interface Difference {
  readonly runtimes: readonly string[]
  readonly instead: string
  readonly scene: Scene
}

const sentences: Scenes = { ...answers, ...limits, ...malformed, ...connections, ...web, ...live }

/**
 * Declares one test for every sentence on how the program answers over HTTP; where a runtime is known to differ, a test
 * that it still does, and how.
 */
export function httpSuite({
  test,
  runtime,
  ground,
  differences,
}: {
  readonly test: TestFunction
  readonly runtime: string
  readonly ground: () => Ground
  readonly differences: Readonly<Record<string, Difference>>
}): void {
  for (const sentence of Object.keys(differences))
    assert.ok(sentence in sentences, `no sentence reads: ${sentence}`)
  for (const [sentence, scene] of Object.entries(sentences)) {
    const difference = differences[sentence]
    const differs = difference?.runtimes.includes(runtime)
    if (difference && differs)
      test(`${sentence}; on ${runtime}: ${difference.instead}`, () => play(ground(), difference.scene))
    else test(sentence, () => play(ground(), scene))
  }
}

async function play(ground: Ground, scene: Scene): Promise<void> {
  const opened: Connection[] = []
  const connection = () => {
    const made = new Connection(ground.port)
    opened.push(made)
    return made
  }
  const exchange = (...parts: readonly Sent[]) => {
    const made = connection()
    made.send(...parts)
    return made.answer(String(parts[0]).split(' ')[0])
  }
  const stage: Stage = {
    ...ground,
    connection,
    exchange,
    ask: (method, path, options) => exchange(requestOf(method, path, options)),
  }
  try {
    await scene(stage)
  } finally {
    for (const made of opened) made.destroy()
  }
}

/** A request as its bytes; the connection is closed after it unless `headers` say otherwise. */
export function requestOf(method: string, path: string, { headers, body, token }: Ask = {}): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const all: Record<string, string> = {
    host: 'service.example',
    connection: 'close',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(text !== undefined && {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
    }),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${text ?? ''}`
}

/** The answer is a problem of RFC 9457, whole. */
export function assertProblem(answer: RawAnswer, status: number, code: string): Record<string, unknown> {
  assert.equal(answer.status, status, answer.body)
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  const problem = JSON.parse(answer.body)
  const { type, title, detail, instance, correlation_id } = problem
  assert.deepEqual({ status: problem.status, code: problem.code }, { status, code })
  for (const text of [type, title, detail, instance, correlation_id]) assert.equal(typeof text, 'string')
  assert.equal(answer.headers.get('x-correlation-id'), correlation_id)
  return problem
}
