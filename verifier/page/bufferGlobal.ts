/** The Buffer that Node.js has as a global. */
export { Buffer } from 'buffer/';
