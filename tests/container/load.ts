/** Asks without a pause until SIGTERM, then prints how many requests were answered as they should be, and what failed. */
const { TARGET = '', TOKEN = '' } = process.env
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
const failures: string[] = []
let answered = 0
let stopping = false
process.on('SIGTERM', () => {
  stopping = true
})

async function ask(path: string, options: RequestInit, expected: number): Promise<void> {
  try {
    const response = await fetch(`${TARGET}${path}`, { ...options, signal: AbortSignal.timeout(10_000) })
    const text = await response.text()
    if (response.status === expected) answered++
    else failures.push(`${options.method} ${path}: ${response.status} ${text.slice(0, 200)}`)
  } catch (error) {
    failures.push(`${options.method} ${path}: ${error}`)
  }
}

async function work(worker: number): Promise<void> {
  for (let round = 0; !stopping; round++) {
    await ask('/docs/json', { method: 'GET' }, 200)
    if (round % 10 === 0) {
      const body = JSON.stringify({
        first_name: 'Load',
        telegram_id: 1_000_000 * (worker + 1) + round,
        role: 'applicant',
      })
      await ask('/api/users', { method: 'POST', headers, body }, 201)
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

await Promise.all(Array.from({ length: 4 }, (_, worker) => work(worker)))
process.stdout.write(`${answered} answered, ${failures.length} failed\n${failures.slice(0, 5).join('\n')}\n`)
process.exit(failures.length === 0 && answered > 0 ? 0 : 1)
