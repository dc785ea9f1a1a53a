import assert from 'node:assert/strict'
import { eventually } from '@kiln/shared/testing'
import { requestOf, type Scenes } from './suite.ts'

const kept = { connection: 'keep-alive' }
const unknown = (path: string) => requestOf('GET', path, { headers: kept })
const instanceOf = ({ body }: { body: string }) => JSON.parse(body).instance

/** What a connection is used for, and when it ends. */
export const connections: Scenes = {
  'a connection serves one request after the other': async ({ connection }) => {
    const open = connection()

    for (const path of ['/one', '/two', '/three']) {
      open.send(unknown(path))
      assert.equal(instanceOf(await open.answer()), path)
    }
  },
  'requests that were sent at once are answered in their order': async ({ connection }) => {
    const open = connection()

    open.send(unknown('/one') + unknown('/two') + unknown('/three'))

    const instances = [await open.answer(), await open.answer(), await open.answer()].map(instanceOf)
    assert.deepEqual(instances, ['/one', '/two', '/three'])
  },
  'a request that asks for the end of its connection gets it': async ({ connection }) => {
    const open = connection()

    open.send(requestOf('GET', '/live'))

    assert.equal((await open.answer()).status, 200)
    await open.closed()
  },
  'HTTP/1.0 is answered, and closed': async ({ connection }) => {
    const open = connection()

    open.send('GET /live HTTP/1.0\r\nHost: service.example\r\n\r\n')

    assert.equal((await open.answer()).status, 200)
    await open.closed()
  },
  'a client that waits to be asked for its body is asked': async ({ connection }) => {
    const open = connection()
    const headers = { 'content-type': 'application/json', 'content-length': '2', expect: '100-continue' }

    open.send(requestOf('POST', '/api/auth/login', { headers }))
    const interim = await open.answer()
    open.send('{}')

    assert.equal(interim.status, 100)
    assert.equal((await open.answer()).status, 422)
  },
  'what is left of a refused body is not taken for a request': async ({ connection }) => {
    const open = connection()
    const smuggled = unknown('/smuggled')
    const headers = { ...kept, 'content-type': 'text/plain', 'content-length': String(smuggled.length) }

    open.send(requestOf('POST', '/api/auth/login', { headers }), smuggled, unknown('/after'))

    assert.equal((await open.answer()).status, 415)
    const next = await open.answer().then(instanceOf, () => 'closed')
    assert.ok(['/after', 'closed'].includes(next), next)
  },
  'clients that leave within their request are nobody’s burden': async ({ connection, ask }) => {
    for (let count = 0; count < 50; count++) {
      const open = connection()
      open.send('POST /api/auth/login HTTP/1.1\r\nHost: service.example\r\nContent-Length: 100\r\n\r\n{')
      open.destroy()
    }

    await eventually(async () => {
      const { body } = await ask('GET', '/metrics')
      assert.equal(/^http_server_active_requests (\d+)$/m.exec(body)?.[1], '0')
    })
  },
}
