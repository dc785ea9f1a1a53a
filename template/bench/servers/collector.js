// Takes what it is sent and forgets it; says where.
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    await request.arrayBuffer()
    return new Response()
  },
})
process.stdout.write(`${server.url.origin}\n`)
