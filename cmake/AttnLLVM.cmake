# Finds LLVM/MLIR 22 as shared libraries and defines `attn_add_library`.
find_package(MLIR REQUIRED CONFIG)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "expects LLVM/MLIR 22, but got ${LLVM_PACKAGE_VERSION} in ${MLIR_DIR}")
endif()
message(STATUS "MLIR ${LLVM_PACKAGE_VERSION} in ${MLIR_DIR}")
set(MLIR_LINK_MLIR_DYLIB ON)
# add_mlir_doc writes below this folder; out of tree it is empty and would mean "/".
set(MLIR_BINARY_DIR ${CMAKE_BINARY_DIR})
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND ${LLVM_DEFINITIONS})

# Flags for code that includes LLVM headers: no exceptions (LLVM has none), RTTI as LLVM was built,
# and NDEBUG always, because the installed LLVM was built without assertions.
add_library(attn_llvm_flags INTERFACE)
target_include_directories(attn_llvm_flags SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_include_directories(attn_llvm_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include)
target_compile_definitions(attn_llvm_flags INTERFACE ${LLVM_DEFINITIONS_LIST} NDEBUG
  ATTN_VERSION="${PROJECT_VERSION}" ATTN_LLVM_TOOLS_DIR="${LLVM_TOOLS_BINARY_DIR}")
target_compile_options(attn_llvm_flags INTERFACE -Wall -Wextra -Wno-unused-parameter)
target_link_libraries(attn_llvm_flags INTERFACE MLIR LLVM)

# attn_add_library(Name file.cpp... [DEPENDS tablegen targets] [LINK libs])
# One static library per folder; the compiler's shared library and the tools link them.
function(attn_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC attn_llvm_flags ${ARG_LINK})
  target_compile_options(${name} PRIVATE -fno-exceptions)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  # Most files open with the same few MLIR headers: precompile them once.
  if(TARGET attn_pch)
    target_precompile_headers(${name} REUSE_FROM attn_pch)
  endif()
endfunction()
