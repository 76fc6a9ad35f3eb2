#include "server/http/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace retrace::server::http {
namespace {

constexpr int kGzipWindow = 15 + 16;  // the largest window, with gzip's head and checksum
constexpr int kQuickLevel = 1;

Bytef* BytesOf(std::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

}  // namespace

std::string Gzip(std::string_view bytes) {
  z_stream stream = {};
  // Out of memory is the only failure; the process would not get far then, either.
  deflateInit2(&stream, kQuickLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = BytesOf(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = BytesOf(packed);
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

Gunzipped Gunzip(std::string_view packed, size_t max_bytes) {
  Gunzipped result;
  z_stream stream = {};
  inflateInit2(&stream, kGzipWindow);
  stream.next_in = BytesOf(packed);
  stream.avail_in = static_cast<uInt>(packed.size());
  std::array<char, 16 << 10> piece;
  int state = Z_OK;
  while (state == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    state = inflate(&stream, Z_NO_FLUSH);
    result.bytes.append(piece.data(), piece.size() - stream.avail_out);
    if (result.bytes.size() > max_bytes) {
      result.fault = GunzipFault::kTooLarge;
      break;
    }
  }
  // Nothing may lie behind the end.
  if (!result.fault.has_value() && (state != Z_STREAM_END || stream.avail_in > 0)) {
    result.fault = GunzipFault::kMalformed;
  }
  inflateEnd(&stream);
  return result;
}

}  // namespace retrace::server::http
