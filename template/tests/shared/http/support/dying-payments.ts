import { createPayments } from './payments.ts'

/** Takes one payment and dies. Arguments: database, `within` the transaction or `after` it. */
const [url = '', when] = process.argv.slice(2)
const die = async () => process.kill(process.pid, 'SIGKILL') && new Promise<void>(() => {})
const payments = await createPayments(url, {
  leaseMs: 500,
  ...(when === 'within' ? { within: die } : { after: die }),
})
await payments.post('/payments', { amount: 5 }, { key: 'dying' })
