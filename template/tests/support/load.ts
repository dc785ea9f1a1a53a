import type { ChildProcess } from 'node:child_process'
import { RequestCreated } from '../../../shared/events/contracts/request.ts'
import { buildRequest } from '../../../tests/support/build-request.ts'
import type { RunningService } from '../../../tests/support/process.ts'
import type { Services } from './services.ts'

/** Repeats work until it is told to stop, whatever becomes of it; `everyMs` lie between two times. */
export function keepDoing(work: () => Promise<unknown>, { everyMs = 5 } = {}): () => Promise<void> {
  let running = true
  const done = (async () => {
    while (running) {
      await work().catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, everyMs))
    }
  })()
  return async () => {
    running = false
    await done
  }
}

/** Requests of all kinds, and events, a few at a time. */
export function keepLoaded({ call, other }: Services['main']): () => Promise<void> {
  let count = 0
  return keepDoing(() =>
    Promise.all([
      call('GET', '/api/my-endpoint'),
      call('GET', '/api/nothing-here'),
      call('POST', '/api/users', { first_name: `User ${'abcdefghij'[count++ % 10]}` }),
      other.events.publish(RequestCreated, buildRequest({ request_id: String(count) })),
    ]),
  )
}

/** More wrong passwords at once, and in all, than a service takes; a few times a second. */
export function keepGuessing(service: RunningService): () => Promise<void> {
  return keepDoing(() => Promise.all(Array.from({ length: 12 }, () => logIn(service))), { everyMs: 500 })
}

/**
 * Freezes a process for a moment, again and again: once it has been given work, and while it is frozen the work that
 * it was about to finish is taken from it.
 */
export function keepRobbing(
  child: Pick<ChildProcess, 'kill'>,
  give: () => Promise<() => Promise<unknown>>,
): () => Promise<void> {
  return keepDoing(
    async () => {
      const take = await give()
      child.kill('SIGSTOP')
      try {
        await take()
        await new Promise((resolve) => setTimeout(resolve, 400))
      } finally {
        child.kill('SIGCONT')
      }
    },
    // Time enough to answer a scrape.
    { everyMs: 200 },
  )
}

/** What `request.created` tells, so many times. */
export const requests = (count: number) => Array.from({ length: count }, () => buildRequest())

/** Entries that no handler gets to see. */
export const poison = (count: number) =>
  Array.from({ length: count }, () => ['specversion', '1.0', 'type', 'request.created', 'data', '{'])

/** An entry of a version that no replica knows; its id is taken once. */
export const tooNew = (id: string) =>
  `specversion 1.0 id ${id} source new type request.created dataversion 9 data {}`.split(' ')

/** An attempt that fails, but asks the database. */
export function logIn({ url }: RunningService): Promise<Response> {
  return fetch(`${url}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'nobody@example.com', password: 'correct horse battery' }),
  })
}
