import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { eventually } from '../../../../../shared/testing/eventually.ts'
import { hasRedisServer } from '../../events/support/redis-server.ts'
import { openStage, orderByKey, type Stage } from './support/stage.ts'

setDefaultTimeout(60_000)

const COUNT = 200
const KEYS = 10

describe.skipIf(!hasRedisServer)('a relay that ends in the middle of a turn', () => {
  let stage: Stage
  beforeEach(async () => {
    stage = await openStage()
  })
  afterEach(() => stage?.close())

  function startProcess(step: string, signal: string, idleTimeoutMs = 60_000) {
    const script = `${import.meta.dir}/support/relay-process.ts`
    const { url } = stage.database
    const child = Bun.spawn({
      cmd: [process.execPath, script, url, `${stage.redis.port}`, step, signal, `${idleTimeoutMs}`],
      stdout: 'pipe',
      stderr: 'inherit',
    })
    return child
  }

  async function expectAllInOrder() {
    await eventually(
      async () => expect(await stage.rows()).toEqual({ waiting: 0, parked: 0, archived: COUNT }),
      { timeoutMs: 20_000 },
    )
    const numbers = Array.from({ length: COUNT }, (_, n) => n)
    const expected = Object.fromEntries(
      Array.from({ length: KEYS }, (_, key) => [`key-${key}`, numbers.filter((n) => n % KEYS === key)]),
    )
    expect(orderByKey(await stage.sent())).toEqual(expected)
  }

  test.each([
    ['after it has claimed', 'claimed', 0],
    ['after it has sent', 'sent', COUNT],
    ['after it has moved', 'moved', COUNT],
  ])('because its process is killed %s leaves all to the next', async (_, step, sent) => {
    await stage.publishAll(0, COUNT, KEYS)

    await startProcess(step, 'SIGKILL').exited

    expect(await stage.sent()).toHaveLength(sent)
    expect(await stage.rows()).toMatchObject({ waiting: COUNT, archived: 0 })
    stage.relay()
    await expectAllInOrder()
  })

  test.each(['before', 'after'])(
    'because its connection is cut %s it has sent begins again',
    async (when) => {
      await stage.publishAll(0, COUNT, KEYS)
      let cuts = 2
      const cut = async () => {
        if (cuts-- > 0) await stage.cutTransactions()
      }

      stage.relay({
        events: {
          safe: stage.sender.safe,
          async forward(envelopes) {
            if (when === 'before') await cut()
            const outcomes = await stage.sender.forward(envelopes)
            if (when === 'after') await cut()
            return outcomes
          },
        },
      })

      await expectAllInOrder()
      expect(cuts).toBeLessThanOrEqual(0)
    },
  )

  test('because it is frozen frees its buckets, and sends nothing when it wakes', async () => {
    await stage.publishAll(0, COUNT, KEYS)
    const child = startProcess('claimed', 'SIGSTOP', 1000)
    const output = { text: '' }
    void (async () => {
      for await (const chunk of child.stdout) output.text += new TextDecoder().decode(chunk)
    })()
    try {
      await eventually(() => expect(output.text).toContain('claimed'))

      stage.relay()
      await expectAllInOrder()
      child.kill('SIGCONT')

      await eventually(() => expect(output.text).toContain('the outbox cannot be worked on'))
      expect(await stage.sent()).toHaveLength(COUNT)
    } finally {
      child.kill('SIGKILL')
      await child.exited
    }
  })
})
