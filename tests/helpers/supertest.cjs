'use strict';
// Stands in for `supertest` in every test (jest.config.mjs). superagent reads a body of a type that it does not know as text, which
// destroys a ZIP: here such a body is a Buffer, as it is for images.
const superagent = require('superagent');
superagent.parse['application/zip'] = superagent.parse.image;

module.exports = require('supertest/index');
