/** What Node.js has everywhere. */
export { Buffer } from 'buffer/';
