import assert from 'node:assert/strict'
import { eventually } from '@kiln/shared/testing'
import { assertProblem, requestOf, type Scenes, type Stage } from './suite.ts'

const path = '/api/events/live'

/** A client that watches: what it was sent so far, chunk sizes and all. */
async function watch({ connection, token }: Stage, headers: Record<string, string> = {}) {
  const open = connection()
  open.send(requestOf('GET', path, { token, headers: { connection: 'keep-alive', ...headers } }))
  const head = await open.head()
  return { ...head, text: () => open.received(), leave: () => open.destroy() }
}

const nameOf = (letter: string) => `Live ${letter}`
const create = ({ ask, token }: Stage, first_name: string) =>
  ask('POST', '/api/users', { token, body: { first_name } })

/** Server-sent events. */
export const live: Scenes = {
  'live events are a stream that is told at once when to come back, and to where': async (stage) => {
    const { status, headers, text } = await watch(stage)

    assert.equal(status, 200)
    assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
    assert.equal(headers.get('cache-control'), 'no-store')
    assert.equal(headers.get('content-length'), undefined)
    await eventually(() => assert.match(text(), /retry: 2000\nid: \d+-\d+\n\n/))
  },
  'an event is shown as it happens': async (stage) => {
    const { text } = await watch(stage)

    await create(stage, nameOf('one'))

    await eventually(() => assert.match(text(), /id: \d+-\d+\nevent: user\.created\ndata: .*Live one/))
  },
  'who comes back is shown what was missed': async (stage) => {
    const first = await watch(stage)
    await eventually(() => assert.match(first.text(), /id: \d/))
    const id = /id: (\S+)/.exec(first.text())?.[1] ?? ''
    first.leave()
    await create(stage, nameOf('two'))

    const second = await watch(stage, { 'last-event-id': id })

    await eventually(() => assert.match(second.text(), /event: user\.created\ndata: .*Live two/))
  },
  'live events ask for a token': async ({ ask }) => {
    assertProblem(await ask('GET', path), 401, 'UNAUTHENTICATED')
  },
  'a place in the stream that is none is 422': async ({ ask, token }) => {
    const answer = await ask('GET', path, { token, headers: { 'last-event-id': 'nonsense' } })

    assertProblem(answer, 422, 'VALIDATION_FAILED')
  },
  'a client that leaves gives its place to another': async (stage) => {
    const places = 10
    // Others may not have left yet.
    const taken = []
    while (taken.length < places) {
      const client = await watch(stage)
      if (client.status === 200) taken.push(client)
      else client.leave()
    }

    const refused = await watch(stage)
    taken[0]?.leave()

    assert.equal(refused.status, 429)
    await eventually(async () => assert.equal((await watch(stage)).status, 200))
  },
}
