import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { eventually } from '@kiln/shared/testing'
import { type RunningService, startService } from '../support/process.ts'

setDefaultTimeout(60_000)

let service: RunningService
const sockets: Socket[] = []
beforeAll(async () => {
  service = await startService({ SERVICE_BODY_TIMEOUT_MS: '1000' })
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await service.close()
})

/** Clients that send their beginning at once, and a byte of the rest twice a second. */
function slowClients(count: number, beginning: string, byte: string) {
  const opened = Array.from({ length: count }, () => {
    const socket = connect(service.port, '127.0.0.1', () => socket.write(beginning))
    const drip = setInterval(() => socket.write(byte), 500)
    const state = { closed: false, answer: '' }
    socket.on('data', (data) => {
      state.answer += data
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(drip)
      state.closed = true
    })
    sockets.push(socket)
    return state
  })
  return { opened, open: () => opened.filter(({ closed }) => !closed).length }
}

describe('hundreds of slow clients', () => {
  test('with headers that never end keep nobody else waiting, and are cut off', async () => {
    const slow = slowClients(300, 'GET /live HTTP/1.1\r\nHost: service.example\r\nx-slow: ', 'x')
    await eventually(() => expect(sockets.filter(({ connecting }) => connecting)).toEqual([]))

    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${service.url}/live`)))

    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(slow.open()).toBe(300)
    await eventually(() => expect(slow.open()).toBe(0), { timeoutMs: 40_000 })
  })

  test('with bodies that never end keep nobody else waiting, and are told and cut off', async () => {
    const head =
      'POST /api/auth/login HTTP/1.1\r\nHost: service.example\r\nContent-Type: application/json\r\n'
    const slow = slowClients(300, `${head}Content-Length: 100\r\n\r\n{"email":"`, 'x')

    const answer = await fetch(`${service.url}/live`)

    expect(answer.status).toBe(200)
    await eventually(() => expect(slow.open()).toBe(0), { timeoutMs: 40_000 })
    expect(slow.opened.filter(({ answer }) => answer.includes('"code":"BODY_TOO_SLOW"'))).toHaveLength(300)
  })
})
