// Boost.Asio and Beast as this server uses them: compiled once, in asio.cc. Include nothing of
// theirs but through this header: what was compiled otherwise has error categories of its own.
#pragma once

// Asio 1.74 uses std::exchange without including it.
#include <utility>

#define BOOST_ASIO_SEPARATE_COMPILATION
#define BOOST_BEAST_SEPARATE_COMPILATION

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace retrace::server::http {

namespace net = boost::asio;
using boost::system::error_code;

}  // namespace retrace::server::http
