'use strict';
// Replaces `supertest` in every test (jest.config.mjs). superagent reads a body of an unknown type
// as text, which destroys a ZIP. Here such a body is a Buffer, as for images.
const superagent = require('superagent');
superagent.parse['application/zip'] = superagent.parse.image;

module.exports = require('supertest/index');
